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
    figures of each; one block is always taken. With few blocks, the interval is somewhat too narrow.

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
    means = [
        _resampled(rows, crossed, random, min(_CHUNK, repeats - start)) for start in range(0, repeats, _CHUNK)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Interval(float(np.mean([row.mean() for row in rows])), float(low), float(high))


def _resampled(
    rows: Sequence[np.ndarray], crossed: bool, random: np.random.Generator, repeats: int
) -> np.ndarray:
    """The means of so many resamples."""

    def drawn(count: int) -> np.ndarray:
        return random.multinomial(count, np.full(count, 1 / count), size=repeats)

    weights = drawn(len(rows))
    shared = drawn(len(rows[0])) if crossed else None
    of_blocks = [(drawn(len(row)) if shared is None else shared) @ row / len(row) for row in rows]
    means: np.ndarray = (weights * np.stack(of_blocks, axis=1)).sum(axis=1) / len(rows)
    return means
