"""Data sets with a name: how their published rows become the problems of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import Field, model_validator

from restmcts.errors import InputError
from restmcts.problems.hub import Source, fetched_files, local_files
from restmcts.problems.problem import Problem
from restmcts.problems.publication import Example, Published, SplitName
from restmcts.problems.registry import DataSet, DataSetSettings
from restmcts.problems.rows import Row, read_rows
from restmcts.problems.splits import QUESTION, Splits, held_out, same_question, without_overlap


class PublishedProblems(DataSetSettings):
    """A data set with a name: which of its problems are taken, and how they are asked."""

    shots: int = Field(
        default=0,
        ge=0,
        description=(
            "number of solved examples that the policy is shown before each problem: those of the authors of"
            " the set where they are at hand, else the first training problems with a worked solution. Models"
            " are trained without them"
        ),
    )
    prompt: str = Field(
        default="{problem}",
        description="the text of a problem; `{problem}` stands for the published question",
    )
    train_limit: int | None = Field(
        default=None,
        ge=0,
        description="number of training problems, from the first; none: all; 0: they are not read",
    )
    validation_limit: int | None = Field(
        default=None,
        ge=0,
        description="number of validation problems, from the first; none: all; 0: they are not read",
    )
    test_limit: int | None = Field(
        default=None,
        ge=1,
        description="number of test problems, from the first; none: all",
    )
    overlap: Literal["drop", "refuse"] = Field(
        default="drop",
        description=(
            "what happens to training problems that are measured on too, by their text: they are left out and"
            " counted (`drop`), or the run is refused (`refuse`)"
        ),
    )

    @model_validator(mode="after")
    def _asks(self) -> PublishedProblems:
        if "{problem}" not in self.prompt:
            raise ValueError(f"prompt: {self.prompt!r} must contain {{problem}}")
        return self


def published_set(published: Published, settings: type[PublishedProblems]) -> DataSet:
    """A set that others have published, as an entry of the registry."""
    return DataSet(
        settings,
        partial(load_published, published),
        published.summary,
        files=partial(files_here, published),
        absent=partial(absent, published),
        published=published,
    )


EVERY_SPLIT: Final = frozenset(get_args(SplitName))


def wanted_splits(
    published: Published, settings: PublishedProblems, uses: Collection[str] = EVERY_SPLIT
) -> dict[SplitName, Source]:
    """Those of the splits ``uses`` that the settings ask for, with their sources."""
    sources = {split: source for split, source in published.sources(settings).items() if split in uses}
    if settings.train_limit == 0:
        sources.pop("train", None)
    if settings.validation_limit == 0:
        sources.pop("validation", None)
    return sources


def files_here(
    published: Published, settings: PublishedProblems, uses: Collection[str] = EVERY_SPLIT
) -> list[Path]:
    """The files on this machine that the problems of the splits ``uses`` come from."""
    sources = wanted_splits(published, settings, uses).values()
    return [path for source in sources for path in local_files(published.name, source)]


def absent(
    published: Published, settings: PublishedProblems, uses: Collection[str] = EVERY_SPLIT
) -> list[str]:
    """The repositories that would be fetched from for the splits ``uses``."""
    sources = wanted_splits(published, settings, uses).values()
    return [source.repository for source in sources if not local_files(published.name, source)]


def load_published(
    published: Published, settings: PublishedProblems, seed: int, uses: Collection[str] = EVERY_SPLIT
) -> Splits:
    """The problems of a data set with a name, of the splits ``uses``; the seed changes nothing.

    Raises:
        InputError: rows are not here and cannot be fetched, or cannot be used; there are too few examples;
            or problems overlap that may not.
    """
    sources = wanted_splits(published, settings, uses)
    rows = {split: _problems(published, settings, split) for split in sources if split != "examples"}
    test = rows.get("test", [])
    if not test and "test" in uses:
        raise InputError(f"data set {published.name!r}: these settings leave no test problem: change them")
    validation, train = rows.get("validation"), rows.get("train", [])
    if validation is None:
        aside = {problem.id for problem in train if held_out(problem.id, "validation")}
        validation = (
            [problem for problem in train if problem.id in aside] if settings.validation_limit != 0 else []
        )
        train = [problem for problem in train if problem.id not in aside]
    kept = apart(Splits(train, validation, test, []), settings.overlap)
    limited = Splits(
        kept.train[: settings.train_limit],
        kept.validation[: settings.validation_limit],
        test[: settings.test_limit],
        [],
        kept.notes,
    )
    asked = _with_examples(published, settings, limited)
    return replace(asked, demonstrations=[problem for problem in asked.train if problem.solution])


def apart(splits: Splits, overlap: Literal["drop", "refuse"]) -> Splits:
    """The splits without problems that are measured on elsewhere: test goes before validation and training.

    Raises:
        InputError: there are some, and they are to be refused.
    """
    validation = without_overlap(splits.validation, splits.test)
    train = without_overlap(splits.train, (*splits.test, *validation))
    lost = {"training": (splits.train, train), "validation": (splits.validation, validation)}
    notes = []
    for name, (before, after) in lost.items():
        kept = {problem.id for problem in after}
        dropped = [problem.id for problem in before if problem.id not in kept]
        if dropped and overlap == "refuse":
            raise InputError(
                f"{len(dropped)} {name} problems are measured on too, the first is {dropped[0]!r}:"
                ' remove them, or leave them out by overlap = "drop"'
            )
        if dropped:
            notes.append(f"{len(dropped)} {name} problems are left out, because they are measured on too")
    return replace(splits, train=train, validation=validation, notes=(*splits.notes, *notes))


def _problems(published: Published, settings: PublishedProblems, split: SplitName) -> list[Problem]:
    """The problems of a split as they are asked, without examples."""
    source = published.sources(settings)[split]
    problems: dict[str, Problem] = {}
    for number, row in enumerate(_rows(fetched_files(published.name, source)), 1):
        problem = published.read(row, settings, split)
        if problem is None:
            continue
        name = problem.id or f"{published.name}-{split}-{number:05d}"
        if name in problems:
            raise InputError(f"{row.place}: the id {name!r} is there twice: remove one of the rows")
        problems[name] = _asked(replace(problem, id=name), settings.prompt)
    return list(problems.values())


def _rows(files: Sequence[Path]) -> Iterator[Row]:
    for path in files:
        yield from read_rows(path)


def _asked(problem: Problem, prompt: str) -> Problem:
    text = prompt.replace("{problem}", problem.text)
    if text == problem.text:
        return problem
    return replace(problem, text=text, fields={QUESTION: problem.text, **problem.fields})


def _with_examples(published: Published, settings: PublishedProblems, splits: Splits) -> Splits:
    if settings.shots == 0:
        return splits
    find = _examples(published, settings, splits)

    def shown(problems: Sequence[Problem]) -> list[Problem]:
        return [replace(problem, examples=find(problem)) for problem in problems]

    return replace(
        splits, train=shown(splits.train), validation=shown(splits.validation), test=shown(splits.test)
    )


def _examples(
    published: Published, settings: PublishedProblems, splits: Splits
) -> Callable[[Problem], tuple[Example, ...]]:
    """Finds the examples for a problem."""
    given = [(settings.prompt.replace("{problem}", text), solution) for text, solution in published.examples]
    if len(given) >= settings.shots:
        return lambda problem: tuple(given[: settings.shots])
    sources = published.sources(settings)
    split: SplitName = "examples" if "examples" in sources else "train"
    if split not in sources:
        raise InputError(
            f"problems.shots: the data set {published.name!r} has {len(given)} solved examples and no"
            f" training problems: ask for {len(given)} or fewer"
        )
    rows = without_overlap(
        [row for row in _problems(published, settings, split) if row.solution], splits.test
    )
    pool = [(same_question(row), row) for row in rows]
    keys = {key for key, _ in pool}

    def find(problem: Problem) -> tuple[Example, ...]:
        subject = problem.fields.get("subject") if published.by_subject else None
        own = same_question(problem)
        fit = (row for key, row in pool if key != own and subject in (None, row.fields.get("subject")))
        shown = tuple((row.text, row.solution or "") for row in islice(fit, settings.shots))
        # A problem that is an example too is asked with one less where there are no more.
        found = len(shown) + (own in keys)
        if found < settings.shots:
            of = "" if subject is None else f" of the subject {subject}"
            raise InputError(
                f"problems.shots: the data set {published.name!r} has {found} solved examples{of}, and"
                f" {settings.shots} are wanted"
            )
        return shown

    return find


def concluded(solution: str | None, answer: str) -> str | None:
    """A published solution that says its answer at the end, in the form that is asked for."""
    if solution is None or "\\boxed" in solution:
        return solution
    return f"{solution}\nThe answer is \\boxed{{{answer}}}.".strip()
