"""Intervals for shares and for differences between methods and runs on the same problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""

_CHUNK = 250
"""Resamples that are counted at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(correct: int, total: int) -> Interval:
    """The share ``correct / total`` with its Wilson score interval; total 0 gives 0 and [0, 1]."""
    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    share = correct / total
    spread = Z_95**2 / total
    center = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # Rounding must not push a bound past the share itself, at 0 and at 1.
    return Interval(share, max(0.0, min(share, center - half)), min(1.0, max(share, center + half)))


def newcombe(first: Interval, second: Interval) -> Interval:
    """The difference ``first - second`` of two independent shares, from their Wilson intervals.

    Newcombe 1998, Statistics in Medicine 17, 873-890, method 10.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, max(-1.0, value - below), min(1.0, value + above))


def mcnemar(first_alone: int, second_alone: int) -> float:
    """The p-value of the exact McNemar test.

    Args:
        first_alone: problems that only the first is right on.
        second_alone: problems that only the second is right on.
    """
    from scipy.stats import binomtest  # takes most of a second to import

    total = first_alone + second_alone
    return float(binomtest(first_alone, total, 0.5).pvalue) if total else 1.0


def clustered_mean(
    blocks: Sequence[Sequence[float]], *, crossed: bool = False, seed: int = 0, repeats: int = 2000
) -> Interval:
    """The mean of block means, with a percentile bootstrap over blocks and over what is in them.

    A block holds what one seed gave, a figure a problem. Blocks are drawn with replacement, and so are the
    figures of each; one block is always taken. Where blocks differ by no more than chance, the interval is
    somewhat wide; where two or three blocks differ by much more, it is too narrow.

    Args:
        blocks: the figures of each block.
        crossed: figure i of every block is of the same problem, so that problems are drawn for all blocks.
        seed: of the draws; equal seeds give equal intervals.
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
    means = drawn.mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(np.mean([row.mean() for row in rows])), float(low), float(high))


def _resampled(rows: np.ndarray, random: np.random.Generator, repeats: int) -> np.ndarray:
    """The means of so many resamples of the columns: a row for each resample, a column for each of ``rows``.

    Equal columns are drawn together, of which there are few where figures are verdicts.
    """
    kinds, counts = np.unique(rows, axis=1, return_counts=True)
    total = rows.shape[1]
    means: np.ndarray = random.multinomial(total, counts / total, size=repeats) @ kinds.T / total
    return means
