"""Problems of several data sets: trained on one, measured on another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from restmcts.errors import InputError
from restmcts.problems.published import PublishedProblems, absent, apart, files_here, load_published
from restmcts.problems.registry import DATA_SETS, DataSet, DataSetSettings, data_set_settings
from restmcts.problems.splits import Splits

USES = {
    "train": ("train", "validation", "examples"),
    "validation": ("validation",),
    "test": ("test", "examples"),
}
"""The splits of a set that are read for each part. Examples are shown before the problems of that part."""


def _part(values: Any) -> Any:
    """A data set by its name, or by a table like ``[problems]``."""
    table = {"data_set": values} if isinstance(values, str) else values
    if not isinstance(table, Mapping):
        return values
    try:
        return data_set_settings(table)
    except InputError as error:
        raise ValueError(str(error)) from None


Part = Annotated[SerializeAsAny[DataSetSettings], BeforeValidator(_part)]


class CombinedProblems(DataSetSettings):
    """A data set for training and another one for the test, each by its name or by a table with its keys."""

    data_set: str = "combined"
    train: Part = Field(description="the data set whose training problems are taken")
    validation: Part | None = Field(
        default=None,
        description="the data set whose validation problems are taken; none: that of the training problems",
    )
    test: Part = Field(description="the data set whose test problems are taken")
    overlap: Literal["drop", "refuse"] = Field(
        default="drop",
        description=(
            "what happens to training problems that are measured on too, by their text: they are left out and"
            " counted (`drop`), or the run is refused (`refuse`)"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _grader_of_parts(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "grader" in values:
            return values
        graders = {name: part.grader for name, part in _settings(values)}
        if len(set(graders.values())) > 1:
            said = ", ".join(f"{name} by {grader!r}" for name, grader in graders.items())
            raise ValueError(f"one run has one grader, and these are graded differently: {said}; set grader")
        return {**values, "grader": next(iter(graders.values()), "math")}

    def parts(self) -> dict[str, DataSetSettings]:
        """The data sets, by what they are used for."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def path_keys(self) -> list[tuple[str, ...]]:
        """The keys of the parts that name files."""
        return [(name, *key) for name, part in self.parts().items() for key in part.path_keys()]

    def unknown_repositories(self) -> list[str]:
        """Those of the parts."""
        return [found for part in self.parts().values() for found in part.unknown_repositories()]


def _settings(values: Mapping[str, Any]) -> Iterator[tuple[str, DataSetSettings]]:
    for name in USES:
        part = _part(values.get(name))
        if isinstance(part, DataSetSettings):
            yield name, part


def load_combined(settings: CombinedProblems, seed: int) -> Splits:
    """The problems of the parts.

    Raises:
        InputError: a part cannot be loaded, or problems overlap that may not.
    """
    loaded = {name: _load(part, name, seed) for name, part in settings.parts().items()}
    validation = loaded.get("validation", loaded["train"]).validation
    notes = tuple(note for splits in loaded.values() for note in splits.notes)
    splits = apart(
        Splits(loaded["train"].train, validation, loaded["test"].test, [], notes), settings.overlap
    )
    kept = {problem.id for problem in splits.train}
    demonstrations = [problem for problem in loaded["train"].demonstrations if problem.id in kept]
    return Splits(splits.train, splits.validation, splits.test, demonstrations, splits.notes)


def _load(part: DataSetSettings, name: str, seed: int) -> Splits:
    data_set = DATA_SETS[part.data_set]
    if data_set.published is not None and isinstance(part, PublishedProblems):
        return load_published(data_set.published, part, seed, USES[name])
    return data_set.load(part, seed)


def files_of_parts(settings: CombinedProblems) -> list[Path]:
    """The files on this machine that the problems come from."""
    found: list[Path] = []
    for name, part in settings.parts().items():
        data_set = DATA_SETS[part.data_set]
        if data_set.published is not None and isinstance(part, PublishedProblems):
            found += files_here(data_set.published, part, USES[name])
        else:
            found += data_set.files(part)
    return list(dict.fromkeys(found))


def absent_of_parts(settings: CombinedProblems) -> list[str]:
    """The repositories that would be fetched from."""
    found: list[str] = []
    for name, part in settings.parts().items():
        data_set = DATA_SETS[part.data_set]
        if data_set.published is not None and isinstance(part, PublishedProblems):
            found += absent(data_set.published, part, USES[name])
    return found


COMBINED = DataSet(
    CombinedProblems,
    load_combined,
    "training problems of one set, test problems of another",
    files=files_of_parts,
    absent=absent_of_parts,
)
