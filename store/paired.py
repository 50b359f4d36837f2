"""Figures of two sides that answered the same problems, in plain arithmetic.

They need no library, so that the screens can work them out while somebody waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.queries import Compared

LEVEL = 0.95
"""The level of all intervals."""

FEW = 15
"""With fewer problems that differ, a normal interval knows too little about rare ones."""

_LIMIT = NormalDist().inv_cdf((1 + LEVEL) / 2)
_HALVINGS = 60
_NEGLIGIBLE = 1e-17


@dataclass(frozen=True, slots=True)
class Bounded:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedFigures:
    """What the problems of a comparison come to.

    Attributes:
        problems: how many have a verdict on both sides.
        accuracy_a: the mean share of right answers of the first side, in [0, 1].
        accuracy_b: the same of the second.
        difference: the first less the second, in [-1, 1], with the interval of a paired difference.
        p_value: of the exact McNemar test, from the problems that only one side is right on.
        tokens_a: generated tokens a problem.
        tokens_b: the same of the second side.
    """

    problems: int
    accuracy_a: Bounded
    accuracy_b: Bounded
    difference: Bounded
    p_value: float
    tokens_a: float
    tokens_b: float


def paired_figures(compared: Compared) -> PairedFigures | None:
    """The figures of a comparison; None where no problem has a verdict on both sides."""
    pairs = compared.pairs
    if not pairs:
        return None
    shares_a, shares_b = [pair.share_a for pair in pairs], [pair.share_b for pair in pairs]
    return PairedFigures(
        problems=len(pairs),
        accuracy_a=wilson(math.fsum(shares_a), len(pairs)),
        accuracy_b=wilson(math.fsum(shares_b), len(pairs)),
        difference=paired_difference([a - b for a, b in zip(shares_a, shares_b, strict=True)]),
        p_value=mcnemar(len(compared.only_a), len(compared.only_b)),
        tokens_a=fmean(pair.tokens_a for pair in pairs),
        tokens_b=fmean(pair.tokens_b for pair in pairs),
    )


def wilson(correct: float, total: int) -> Bounded:
    """The share ``correct / total`` with its Wilson score interval; total 0 gives 0 and [0, 1].

    A number of right answers that is not whole is a sum of shares; its interval spans those of the whole
    numbers around it. Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    if total == 0:
        return Bounded(0.0, 0.0, 1.0)
    share = correct / total
    low, _ = _wilson_bounds(math.floor(correct + 1e-9) / total, total)
    _, high = _wilson_bounds(math.ceil(correct - 1e-9) / total, total)
    return Bounded(share, max(0.0, min(share, low)), min(1.0, max(share, high)))


def _wilson_bounds(share: float, total: int) -> tuple[float, float]:
    square = _LIMIT**2
    middle = share + square / (2 * total)
    around = _LIMIT * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return (middle - around) / (1 + square / total), (middle + around) / (1 + square / total)


def mcnemar(only_a: int, only_b: int) -> float:
    """The p-value of the exact McNemar test, which is the binomial test of equal chances.

    Args:
        only_a: problems that only the first side is right on.
        only_b: problems that only the second side is right on.
    """
    total, fewer = only_a + only_b, min(only_a, only_b)
    if 2 * fewer == total:
        return 1.0
    # From the largest term of the tail downwards; further terms are soon too small to count.
    term = math.exp(
        math.lgamma(total + 1) - math.lgamma(fewer + 1) - math.lgamma(total - fewer + 1) - total * math.log(2)
    )
    tail = term
    for count in range(fewer, 0, -1):
        term *= count / (total - count + 1)
        tail += term
        if term < tail * _NEGLIGIBLE:
            break
    return min(1.0, 2 * tail)


def paired_difference(differences: Sequence[float]) -> Bounded:
    """The mean of differences by problem, each in [-1, 1], with its interval; there is at least one.

    Where answers are right or wrong, and where few problems differ, it is the score interval of Tango (1998,
    Statistics in Medicine 17, 891-908); for shares it is the normal interval of the mean.
    """
    total = len(differences)
    above, below = math.fsum(d for d in differences if d > 0), -math.fsum(d for d in differences if d < 0)
    value = (above - below) / total
    differing = sum(d != 0 for d in differences)
    if differing < FEW or all(d in (-1, 0, 1) for d in differences):
        return _tango(above, below, total)
    around = _LIMIT * math.sqrt(variance(differences) / total)
    return Bounded(value, max(-1.0, value - around), min(1.0, value + around))


def tango_score(above: float, below: float, total: int) -> Callable[[float], float]:
    """The score statistic of a difference by its size, which falls from -1 to 1.

    Tango (1998, Statistics in Medicine 17, 891-908).

    Args:
        above: the sum of what the first side has more, over problems.
        below: the same of the second side.
        total: the number of problems.
    """

    def score(bound: float) -> float:
        """The score statistic of a difference, with the nuisance parameter at its maximum likelihood."""
        distance = above - below - total * bound
        if abs(distance) < 1e-9:
            return 0.0
        linear = (2 * total - above + below) * bound - above - below
        rest = below * bound * (1 - bound)
        nuisance = (math.sqrt(max(0.0, linear**2 + 8 * total * rest)) - linear) / (4 * total)
        spread = total * (2 * nuisance + bound * (1 - bound))
        return distance / math.sqrt(max(spread, 1e-300))

    return score


def _tango(above: float, below: float, total: int) -> Bounded:
    value, score = (above - below) / total, tango_score(above, below, total)
    low = -1.0 if value <= -1 else _falls_below(score, _LIMIT, -1.0, value)
    high = 1.0 if value >= 1 else _falls_below(score, -_LIMIT, value, 1.0)
    return Bounded(value, low, high)


def _falls_below(falling: Callable[[float], float], limit: float, low: float, high: float) -> float:
    """Where a falling function passes ``limit`` between ``low`` and ``high``."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if falling(middle) > limit:
            low = middle
        else:
            high = middle
    return (low + high) / 2
