"""Finding the first error of a chain, scored as in ProcessBench (arXiv 2412.06559)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.values.judged import JudgedChain
from restmcts.evaluation.values.resampling import Array, Resampling, interval

MINIMUM = 10
"""So many chains with and so many without an error there must be."""


@dataclass(frozen=True, slots=True)
class FirstErrors:
    """How often the first step whose score lies below a threshold is the first error.

    ``erroneous`` is the share of chains with an error whose first error is found, ``correct`` the share of
    right chains in which none is found, ``f1`` their harmonic mean. The threshold of one half of the
    problems is the one with the best F1 on the other half; ``threshold`` is the mean of both.
    """

    erroneous_chains: int
    correct_chains: int
    erroneous: Interval
    correct: Interval
    f1: Interval
    threshold: float

    def metrics(self) -> dict[str, float]:
        """The figures by name."""
        return {
            "f1": self.f1.value,
            "erroneous": self.erroneous.value,
            "correct": self.correct.value,
            "threshold": self.threshold,
        }


def first_errors(
    chains: Sequence[JudgedChain], scores: Callable[[JudgedChain], Sequence[float]], drawn: Resampling
) -> FirstErrors | None:
    """Look for the first errors of ``chains`` by their ``scores``; None with too few chains of either kind.

    The thresholds are not chosen anew in the resamples of the intervals.
    """
    wrong = np.array([chain.first_error is not None for chain in chains], dtype=bool)
    if min(wrong.sum(), (~wrong).sum()) < MINIMUM or not all(scores(chain) for chain in chains):
        return None
    members = drawn.members([chain.group for chain in chains])
    low, high = np.array([_found_between(scores(chain), chain.first_error) for chain in chains]).T
    half = members % 2 == 0
    thresholds = [_best(low[part], high[part], wrong[part]) for part in (half, ~half)]
    if any(threshold is None for threshold in thresholds):
        return None
    first, second = (float(threshold or 0.0) for threshold in thresholds)
    used = np.where(half, second, first)
    hit = (low < used) & (used <= high)
    columns = np.stack([hit & wrong, wrong, hit & ~wrong, ~wrong], axis=1).astype(np.float64)
    found, errors, passed, right = drawn.sums(columns, members).T
    with np.errstate(invalid="ignore", divide="ignore"):
        erroneous, correct = found / errors, passed / right
    return FirstErrors(
        int(wrong.sum()),
        int((~wrong).sum()),
        interval(erroneous),
        interval(correct),
        interval(_harmonic(erroneous, correct)),
        (first + second) / 2,
    )


def _found_between(scores: Sequence[float], first_error: int | None) -> tuple[float, float]:
    """The thresholds with which a chain is judged rightly: above the first figure, up to the second.

    The steps before the first error must not lie below the threshold, and the error must.
    """
    before = scores if first_error is None else scores[:first_error]
    lowest = min(before, default=np.inf)
    return (-np.inf if first_error is None else scores[first_error]), lowest


def _best(low: Array, high: Array, wrong: NDArray[np.bool_]) -> float | None:
    """The threshold with the best F1, halfway between two figures; None without chains of both kinds."""
    if not wrong.any() or wrong.all():
        return None
    ends = np.concatenate([low, high])
    ends = np.unique(ends[np.isfinite(ends)])
    tried = np.concatenate([ends[:1], (ends[1:] + ends[:-1]) / 2, ends[-1:] + 1])
    erroneous = _inside(tried, low[wrong], high[wrong]) / wrong.sum()
    correct = _inside(tried, low[~wrong], high[~wrong]) / (~wrong).sum()
    return float(tried[np.argmax(_harmonic(erroneous, correct))])


def _inside(tried: Array, low: Array, high: Array) -> Array:
    """In how many of the intervals (low, high] each threshold lies."""
    some = low < high
    begun = np.searchsorted(np.sort(low[some]), tried, side="left")
    ended = np.searchsorted(np.sort(high[some]), tried, side="left")
    return (begun - ended).astype(np.float64)


def _harmonic(one: Array, two: Array) -> Array:
    total = one + two
    harmonic: Array = np.where(total == 0, 0.0, 2 * one * two / np.where(total == 0, 1.0, total))
    return harmonic
