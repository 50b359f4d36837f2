"""Any other data set: files or a repository of the hub, whose fields the recipe names."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

from pydantic import Field, model_validator

from restmcts.errors import InputError
from restmcts.problems.choices import fields as choice_fields
from restmcts.problems.choices import with_options
from restmcts.problems.hub import Source, local_files
from restmcts.problems.jsonl import final_answer
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Published, SplitName
from restmcts.problems.published import PublishedProblems, published_set
from restmcts.problems.rows import Row
from restmcts.settings import Settings

CONVERTED = "refs/convert/parquet"
"""The branch that the hub keeps of every data set, with a Parquet file for each split."""


class TableFields(Settings):
    """Which field of a row is what."""

    problem: str = Field(default="problem", description="the question")
    answer: str = Field(
        default="answer",
        description="the oracle answer; what follows `####` in it, where there is such a mark",
    )
    solution: str | None = Field(default=None, description="a worked solution, one step a line")
    id: str | None = Field(default=None, description="a name that no other row has; none: its number")
    tolerance: str | None = Field(default=None, description="the relative tolerance of a numeric answer")
    options: list[str] = Field(
        default_factory=list,
        description="the options of a choice, which are shown as (A), (B) and so on; the answer is a letter",
    )


class TableProblems(PublishedProblems):
    """Files, or a repository of the Hugging Face hub."""

    data_set: str = "table"
    repository: str | None = Field(
        default=None,
        description="a data set of the Hugging Face hub; none: `train`, `validation`, `test` are files here",
    )
    revision: str | None = Field(
        default=None, description="the commit, branch or tag of the repository; none: the newest"
    )
    configuration: str = Field(
        default="default", description="the configuration that splits of the repository belong to"
    )
    train: str | None = Field(
        default=None,
        description=(
            "training problems: a file (JSON Lines, JSON, CSV or Parquet) or, in a repository, also a split"
        ),
    )
    validation: str | None = Field(default=None, description="likewise; none: one training problem in ten")
    test: str = Field(description="likewise; test problems")
    fields: TableFields = Field(default=TableFields(), description="which field of a row is what")
    tolerance: float | None = Field(
        default=None, ge=0, description="relative tolerance of all numeric answers; none: they must be equal"
    )

    @model_validator(mode="after")
    def _stays_in_its_folder(self) -> TableProblems:
        if self.repository is None:
            return self
        for name in (self.repository, self.train, self.validation, self.test):
            path = PurePosixPath(name or "")
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{name!r} is no name in a repository: write it without .. and leading /")
        return self

    def path_keys(self) -> list[tuple[str, ...]]:
        """The splits, where they are files on this machine."""
        return [] if self.repository else [("train",), ("validation",), ("test",)]

    def unknown_repositories(self) -> list[str]:
        """The repository, unless its files are here."""
        here = all(local_files("table", source) for source in sources(self).values())
        return [] if self.repository is None or here else [self.repository]


def sources(settings: TableProblems) -> dict[SplitName, Source]:
    """The files of the splits."""
    names: dict[SplitName, str | None] = {
        "train": settings.train,
        "validation": settings.validation,
        "test": settings.test,
    }
    return {split: _source(settings, name) for split, name in names.items() if name is not None}


def _source(settings: TableProblems, name: str) -> Source:
    if settings.repository is None:
        return Source("", (str(Path(name).absolute()),))
    folder = settings.repository.replace("/", "--")
    if "." in name:
        return Source(settings.repository, (name,), settings.revision or "main", folder=folder)
    file = f"{settings.configuration}/{name}/0000.parquet"
    return Source(settings.repository, (file,), settings.revision or CONVERTED, folder=folder)


def read(row: Row, settings: TableProblems, split: SplitName) -> Problem:
    """The problem that a row holds."""
    names = settings.fields
    worked, answer = final_answer(row.text(names.answer), row.place)
    question = row.text(names.problem)
    options = [row.text(name) for name in names.options]
    tolerance = _tolerance(row, names.tolerance)
    return Problem(
        id=(row.maybe(names.id) if names.id else None) or "",
        text=with_options(question, options) if options else question,
        answer=answer,
        solution=(row.maybe(names.solution) if names.solution else None) or worked,
        tolerance=settings.tolerance if tolerance is None else tolerance,
        fields=choice_fields(question, options) if options else {},
    )


def _tolerance(row: Row, name: str | None) -> float | None:
    given = row.maybe(name) if name else None
    if given is None:
        return None
    try:
        tolerance = float(given)
    except ValueError:
        tolerance = math.nan
    if not 0 <= tolerance < math.inf:
        raise InputError(f"{row.place}: {name!r} must be a number from 0 up, such as 0.05 for 5 %")
    return tolerance


TABLE = published_set(
    Published("table", "files or a repository of the hub, whose fields the recipe names", {}, sources, read),
    TableProblems,
)
