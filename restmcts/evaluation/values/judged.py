"""What a value model said about held-out steps, with what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.events import Step


@dataclass(frozen=True, slots=True)
class Judged:
    """A partial solution and what was said about it.

    ``group`` is what is resampled for the intervals (the problem); ``depth`` counts steps from 1;
    ``predicted`` is the value model's figure, ``label`` the quality value that it should have said, both
    in [0, 1]; ``correct`` says whether the partial solution is a good one; ``log_probability`` is that of
    all its steps together under the policy, None where unknown. ``quality`` is the quality value of the
    paper, and ``derived`` the one that follows from what the value model says about single steps; None where
    either is not known.
    """

    group: str
    depth: int
    predicted: float
    label: float
    correct: bool
    log_probability: float | None = None
    quality: float | None = None
    derived: float | None = None


@dataclass(frozen=True, slots=True)
class JudgedChain:
    """A chain of steps in which the first error is looked for.

    ``group`` is what is resampled (the problem). ``scores`` are what the value model says for each step, the
    larger the better; ``likelihoods`` are the log-probabilities of the steps under the policy, empty where
    one is unknown. ``first_error`` is the number of the first wrong step, from 0; None: all are right.
    """

    group: str
    scores: tuple[float, ...]
    first_error: int | None
    likelihoods: tuple[float, ...] = ()


def likelihoods(steps: Sequence[Step]) -> list[float | None]:
    """The log-probability of the first step, of the first two, and so on; None from an unknown one on."""
    found: list[float | None] = []
    total: float | None = 0.0
    for step in steps:
        total = None if total is None or step.logprob is None else total + step.logprob
        found.append(total)
    return found


def good_steps(labels: Sequence[float | None]) -> tuple[bool | None, ...]:
    """Which steps of a chain its quality values call good; None without a label.

    A step is good when its value is above 0 and not below that of the step before. For values by the
    rule of ReST-MCTS* and for hard estimates this says exactly whether a correct trace goes through it;
    for soft estimates it says whether the step kept the chances.
    """
    good: list[bool | None] = []
    before = 0.0
    for label in labels:
        good.append(None if label is None else label > 0 and label >= before)
        before = before if label is None else label
    return tuple(good)
