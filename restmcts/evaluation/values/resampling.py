"""Bootstrap over groups of steps: whole problems are drawn, because their steps hang together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.statistics import Interval

Array = NDArray[np.float64]

_CHUNK = 4_000_000
"""Numbers that are held at once while the bootstrap counts."""


class Resampling:
    """How often each group is drawn: row 0 of ``draws`` is the sample itself, the others are resamples.

    Args:
        groups: the group of each step.
        repeats: the number of resamples.
        seed: of the resamples.
    """

    def __init__(self, groups: Sequence[str], repeats: int, seed: int) -> None:
        self.numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        count = len(self.numbers)
        random = np.random.default_rng(seed)
        resampled = random.multinomial(count, np.full(count, 1 / count), size=repeats)
        self.draws: Array = np.vstack([np.ones(count), resampled]).astype(np.float64)

    def members(self, groups: Sequence[str]) -> NDArray[np.int_]:
        """The numbers of groups that are known."""
        return np.array([self.numbers[group] for group in groups], dtype=np.int_)

    def sums(self, columns: Array, members: NDArray[np.int_]) -> Array:
        """The sums of the columns (rows, columns) over the rows of each resample: (1 + repeats, columns)."""
        by_group = np.zeros((self.draws.shape[1], columns.shape[1]))
        np.add.at(by_group, members, columns)
        return self.draws @ by_group

    def areas(self, scores: Array, correct: NDArray[np.bool_], members: NDArray[np.int_]) -> Array:
        """The AUC of each resample, a part of the resamples at a time."""
        rows = max(1, _CHUNK // len(scores))
        parts = [
            area_under_curve(scores, correct, self.draws[start : start + rows][:, members])
            for start in range(0, len(self.draws), rows)
        ]
        return np.concatenate(parts)


def interval(values: Array) -> Interval:
    """From the figure of the sample and those of the resamples; undefined resamples do not count."""
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled):
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))


def area_under_curve(scores: Array, correct: NDArray[np.bool_], weights: Array) -> Array:
    """The AUC of ``scores`` (n,) under each row of ``weights`` (repeats, n); ties count half.

    nan where a row leaves no good or no bad step. This is ``roc_auc_score`` of scikit-learn for all rows in
    one sort, which makes a thousand resamples of thousands of steps a matter of a second.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    good = np.add.reduceat(weights[:, order] * correct[order], starts, axis=1)
    bad = np.add.reduceat(weights[:, order] * ~correct[order], starts, axis=1)
    below = np.cumsum(bad, axis=1) - bad / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        area: Array = (good * below).sum(axis=1) / (good.sum(axis=1) * bad.sum(axis=1))
    return area


def regression(
    x: Array, y: Array, members: NDArray[np.int_], drawn: Resampling
) -> tuple[Array, Array, Array]:
    """Slope and intercept of y on x by least squares, and their correlation, in each resample.

    nan where all x are equal, and for the correlation where all y are.
    """
    columns = np.stack([np.ones(len(y)), x, y, x**2, x * y, y**2], axis=1)
    n, sx, sy, sxx, sxy, syy = drawn.sums(columns, members).T
    spread, other = n * sxx - sx * sx, n * syy - sy * sy
    spread[spread <= 1e-12 * n * sxx] = np.nan
    other[other <= 1e-12 * n * syy] = np.nan
    slope = (n * sxy - sx * sy) / spread
    return slope, (sy - slope * sx) / n, slope * np.sqrt(spread / other)
