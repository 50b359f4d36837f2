"""What is known about a data set that others have published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from restmcts.problems.hub import Source
from restmcts.problems.problem import Problem
from restmcts.problems.rows import Row

SplitName = Literal["train", "validation", "test", "examples"]

Example = tuple[str, str]
"""A problem and its solution."""


@dataclass(frozen=True, slots=True)
class Published:
    """A data set with a name.

    Attributes:
        name: the name, which is also that of its folder.
        summary: what it is, in a line.
        sizes: the published number of rows, by split.
        sources: where each split comes from, by the settings. ``test`` is always there; without
            ``validation`` one training problem in ten takes its place; ``examples`` are rows that are shown
            to the policy and nothing else.
        read: makes a problem of a row; its question, oracle answer, solution, tolerance and fields. None for
            a row that the settings leave out. Without an id, a problem is named after its split and number.
        examples: solved examples of the authors, the first of which are taken.
        by_subject: examples are of the subject of the problem (``fields["subject"]``).
    """

    name: str
    summary: str
    sizes: Mapping[str, int]
    sources: Callable[[Any], Mapping[SplitName, Source]]
    read: Callable[[Row, Any, SplitName], Problem | None]
    examples: Sequence[Example] = ()
    by_subject: bool = False
