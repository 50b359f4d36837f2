"""Intervals and tests for shares and differences; what compares outcomes by problem is in ``means``.

scipy has Wilson intervals, the bootstrap of one sample, and the tests. Own code is what scipy lacks: the
score interval of a paired difference, the interval of a difference of independent shares, the bootstrap over
two crossed kinds of clusters, and Holm's correction, which is a loop of three lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from store.paired import tango_score

REPEATS = 2000
"""Resamples that a bootstrap draws."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval, of 95 % where nothing else is said."""

    value: float
    low: float
    high: float


def wilson(correct: float, total: int, level: float = 0.95) -> Interval:
    """The share ``correct / total`` with its Wilson score interval; total 0 gives 0 and [0, 1].

    Args:
        correct: right answers. A number that is not whole is a sum of shares; its interval spans those of the
            whole numbers around it, which is wide, for shares vary less than right and wrong do.
        total: answers.
        level: the level of the interval.
    """
    from scipy.stats import binomtest  # takes most of a second to import

    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    share = correct / total
    below, above = math.floor(correct + 1e-9), math.ceil(correct - 1e-9)
    low = float(binomtest(below, total).proportion_ci(level, "wilson").low)
    high = float(binomtest(above, total).proportion_ci(level, "wilson").high)
    # Rounding must not push a bound past the share itself, at 0 and at 1.
    return Interval(share, max(0.0, min(share, low)), min(1.0, max(share, high)))


def newcombe(first: Interval, second: Interval) -> Interval:
    """The difference ``first - second`` of two independent shares, from their Wilson intervals of one level.

    Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, max(-1.0, value - below), min(1.0, value + above))


def paired_score(first_alone: float, second_alone: float, total: int, level: float = 0.95) -> Interval:
    """The difference of two paired shares with its score interval.

    It says how rare differences may be that nobody has seen: without any, the bounds are ``z² / (n + z²)``
    away from 0. Tango 1998, Statistics in Medicine 17, 891-908.

    Args:
        first_alone: problems that only the first is right on; for outcomes between 0 and 1 the sum of the
            differences above 0, which makes the interval wide.
        second_alone: the same the other way round.
        total: problems, at least 1.
        level: the level of the interval.
    """
    from scipy.optimize import brentq

    value = (first_alone - second_alone) / total
    limit = NormalDist().inv_cdf((1 + level) / 2)
    score = tango_score(first_alone, second_alone, total)
    low = -1.0 if value <= -1 else brentq(lambda bound: score(bound) - limit, -1 + 1e-12, value)
    high = 1.0 if value >= 1 else brentq(lambda bound: score(bound) + limit, value, 1 - 1e-12)
    return Interval(value, float(low), float(high))


def mcnemar(first_alone: int, second_alone: int) -> float:
    """The p-value of the exact McNemar test.

    Args:
        first_alone: problems that only the first is right on.
        second_alone: problems that only the second is right on.
    """
    from scipy.stats import binomtest

    total = first_alone + second_alone
    return float(binomtest(first_alone, total, 0.5).pvalue) if total else 1.0


def independent_shares(first: tuple[float, int], second: tuple[float, int]) -> float:
    """The p-value of equal shares, from right answers and answers of two independent sides.

    The chi-squared test, or Fisher's exact test where fewer than five are expected somewhere.
    """
    from scipy.stats import chi2_contingency, fisher_exact
    from scipy.stats.contingency import expected_freq

    table = np.array([[round(right), total - round(right)] for right, total in (first, second)])
    if not table.sum(axis=0).all():
        return 1.0
    if expected_freq(table).min() < 5:
        return float(fisher_exact(table).pvalue)
    return float(chi2_contingency(table, correction=False).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of tests, corrected for their number.

    Any of them below a level is shown at that level for the family as a whole, whatever the tests have in
    common. Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def bootstrap_mean(figures: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """The mean of independent figures with its bootstrap interval, corrected for bias and skew (BCa).

    Equal seeds give equal intervals. Where all figures are equal, so are the bounds.
    """
    from scipy.stats import bootstrap

    sample = np.asarray(figures, dtype=np.float64)
    value = float(sample.mean())
    if len(sample) < 2 or np.ptp(sample) < 1e-12:
        return Interval(value, value, value)
    found = bootstrap(
        (sample,), np.mean, confidence_level=level, n_resamples=REPEATS, batch=200, rng=seed
    ).confidence_interval
    return Interval(value, float(found.low), float(found.high))


@dataclass(frozen=True, slots=True)
class Resampled:
    """A mean, and the means of its resamples."""

    value: float
    means: NDArray[np.float64]

    def interval(self, level: float = 0.95) -> Interval:
        """The percentile interval."""
        low, high = np.quantile(self.means, [(1 - level) / 2, (1 + level) / 2])
        return Interval(self.value, float(low), float(high))

    @property
    def p_value(self) -> float:
        """Of a mean of 0: the normal test, with the standard error of the resamples."""
        error = float(self.means.std(ddof=1))
        if error < 1e-12:
            return 1.0 if abs(self.value) < 1e-12 else 0.0
        return 2 * NormalDist().cdf(-abs(self.value) / error)


def clustered_mean(
    blocks: Sequence[Sequence[float]], *, crossed: bool = False, seed: int = 0, repeats: int = REPEATS
) -> Resampled:
    """The mean of block means, with a bootstrap over blocks and over what is in them.

    A block holds what one seed gave, a figure a problem. Blocks are drawn with replacement, and so are the
    figures of each; one block is always taken. Where blocks differ by no more than chance, the interval is
    somewhat wide; where two or three blocks differ by much more, it is too narrow.

    Args:
        blocks: the figures of each block.
        crossed: figure i of every block is of the same problem, so that problems are drawn for all blocks.
        seed: of the draws; equal seeds give equal resamples.
        repeats: how many resamples are drawn.

    Raises:
        ValueError: there is no block, or one is empty; or blocks that are crossed differ in length.
    """
    if not blocks or not all(len(block) for block in blocks):
        raise ValueError("a mean over blocks needs a figure in each block")
    rows = [np.asarray(block, dtype=np.float64) for block in blocks]
    if crossed and len({len(row) for row in rows}) > 1:
        raise ValueError("crossed blocks hold the same problems")
    random = np.random.default_rng(seed)
    chosen = random.integers(len(rows), size=(repeats, len(rows)))
    if crossed:
        drawn = np.take_along_axis(_resampled(np.stack(rows), random, repeats), chosen, axis=1)
    else:
        drawn = np.empty(chosen.shape)
        for number, row in enumerate(rows):
            places = chosen == number
            drawn[places] = _resampled(row[np.newaxis], random, int(places.sum()))[:, 0]
    return Resampled(float(np.mean([row.mean() for row in rows])), drawn.mean(axis=1))


def _resampled(rows: NDArray[np.float64], random: np.random.Generator, repeats: int) -> NDArray[np.float64]:
    """The means of so many resamples of the columns: a row for each resample, a column for each of ``rows``.

    Equal columns are drawn together, of which there are few where figures are verdicts.
    """
    kinds, counts = np.unique(rows, axis=1, return_counts=True)
    total = rows.shape[1]
    means: NDArray[np.float64] = random.multinomial(total, counts / total, size=repeats) @ kinds.T / total
    return means
