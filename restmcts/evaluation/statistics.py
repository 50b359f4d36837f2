"""Intervals for shares and for differences between methods on the same problems."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


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


def paired_difference(
    first: Sequence[bool], second: Sequence[bool], *, seed: int = 0, repeats: int = 2000
) -> Interval:
    """How much more often ``first`` is right than ``second`` on the same problems.

    The interval is the percentile bootstrap over problems, so that what both find hard cancels out.

    Raises:
        ValueError: the sequences are empty or differ in length.
    """
    differences = [int(a) - int(b) for a, b in zip(first, second, strict=True)]
    if not differences:
        raise ValueError("a paired difference needs at least one problem")
    total = len(differences)
    generator = random.Random(seed)
    means = sorted(sum(generator.choices(differences, k=total)) / total for _ in range(repeats))
    return Interval(sum(differences) / total, means[int(0.025 * repeats)], means[int(0.975 * repeats) - 1])
