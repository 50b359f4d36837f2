"""What is asked of the searches of a store: filters, orders, sides of a comparison, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TreeKind = Literal[
    "unsolved",
    "never-found",
    "preferred-wrong",
    "lost",
    "lucky",
    "disagree",
    "idle",
    "failed",
    "noted",
]
"""Kinds of searches that are worth a look.

``unsolved``: not answered right. ``never-found``: no finished solution is right. ``preferred-wrong``: one is
right, and another answer was given. ``lost``: the answer was right on the way, and not at the end.
``lucky``: a right answer over a step that a rule labelled below 0.5. ``disagree``: another method of the same
phase did otherwise on the problem. ``idle``: rounds that took no token. ``failed``: ended by an engine.
``noted``: somebody has made a note.
"""

HALF = 0.5
"""The share of right answers from which on a problem counts as solved."""

Fault = Literal["never-sampled", "preferred-wrong"]
"""Why a search was wrong: no right solution was sampled, or one was and another answer was given."""

STEP_TEXT_LEAST = 3
"""The least number of characters that can be looked for in steps."""


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the largest value of a figure of trees, both included; None: no limit."""

    name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TreeFilter:
    """Which searches of a run to take; what is None or empty takes all.

    Attributes:
        run: the run.
        phases: names of phases.
        methods: names of methods.
        iteration: the iteration of the phase.
        solved: False takes wrong and unverified ones.
        reason: why the search ended, a :data:`store.events.StopReason`.
        problem: the name of a problem.
        asked: what was asked, as :attr:`store.records.Evaluation.searches` has it.
        text: is looked for in problem names, questions and answers, whatever the case.
        step_text: is looked for in steps, whatever the case; three characters at least.
        ranges: figures within limits; names: :data:`store.index.reading.filters.FIGURES`.
        kinds: all of them hold.
    """

    run: str
    phases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    iteration: int | None = None
    solved: bool | None = None
    reason: str | None = None
    problem: str | None = None
    asked: str | None = None
    text: str = ""
    step_text: str = ""
    ranges: tuple[Range, ...] = ()
    kinds: tuple[TreeKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram: from ``low`` up to ``high``, how many trees, and how many of them are right."""

    low: float
    high: float
    count: int
    correct: int


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: searches of a phase, and how they are answered.

    Without ``rule``, ``method`` is that of the searches, and their own answers count. With it, ``method`` is
    what the row of an evaluation is called, ``budget`` its budget in generated tokens.
    """

    run: str
    phase: str
    method: str
    rule: str | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class ProblemPair:
    """One problem on two sides.

    ``tree_a`` and ``tree_b`` are ``<phase>/<number>``. A share is that of right answers, in [0, 1]. ``fault``
    says why the worse side was wrong; None where both are equal, or nothing is known.
    """

    problem: str
    question: str
    tree_a: str
    tree_b: str
    share_a: float
    share_b: float
    tokens_a: float
    tokens_b: float
    fault: Fault | None

    @property
    def right_a(self) -> bool:
        """Whether at least half of the answers of the first side are right."""
        return self.share_a >= HALF

    @property
    def right_b(self) -> bool:
        """The same of the second side."""
        return self.share_b >= HALF


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides on the problems with a verdict on both; ``alone_a`` and ``alone_b`` count the others.

    A problem is in ``both``, ``only_a``, ``only_b`` or ``none`` by who is right on it: in half of the answers
    or more. A fault is that of the side that did worse. A problem is the same by its name and question.

    ``whole`` are the sides of which it is not stored what their problems were worth at their budget: what
    their searches answered at the end counts.
    """

    a: Side
    b: Side
    both: tuple[ProblemPair, ...]
    only_a: tuple[ProblemPair, ...]
    only_b: tuple[ProblemPair, ...]
    none: tuple[ProblemPair, ...]
    alone_a: int
    alone_b: int
    whole: tuple[Side, ...] = ()

    @property
    def pairs(self) -> tuple[ProblemPair, ...]:
        """All problems that are compared."""
        return self.both + self.only_a + self.only_b + self.none


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One problem on several sides: for each side a tree and its share; None where the side has none."""

    problem: str
    question: str
    trees: tuple[str | None, ...]
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting that two runs do not have alike; None: the run has no such setting."""

    key: str
    a: object
    b: object
