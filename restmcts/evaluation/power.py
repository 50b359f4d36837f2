"""How many problems show a difference, and how likely so many show it."""

from __future__ import annotations

import math
from statistics import NormalDist

EXACT = 20_000
"""Up to so many problems the test itself is counted out; for more, the formula is as good."""


def paired_power(problems: int, difference: float, discordant: float, level: float = 0.05) -> float:
    """The chance that the exact McNemar test shows a difference on the same problems.

    Computed from the distribution of the test itself, over every number of problems that tell the sides
    apart; nothing is approximated but tails of less than 1e-9.

    Args:
        problems: how many, at least 1.
        difference: of the accuracies, -1 to 1.
        discordant: the share of problems that one side alone is right on, at least the difference.
        level: of the two-sided test.

    Raises:
        ValueError: the shares do not fit each other.
    """
    import numpy as np
    from scipy.stats import binom

    _check(difference, discordant)
    if discordant == 0:
        return 0.0
    lowest, highest = (int(binom.ppf(tail, problems, discordant)) for tail in (1e-10, 1 - 1e-10))
    apart = np.arange(lowest, highest + 1)
    refused = binom.ppf(level / 2, apart, 0.5)
    refused -= binom.cdf(refused, apart, 0.5) > level / 2
    won = (1 + abs(difference) / discordant) / 2
    shown = binom.cdf(refused, apart, won) + binom.sf(apart - refused - 1, apart, won)
    return float(binom.pmf(apart, problems, discordant) @ shown)


def paired_problems(difference: float, discordant: float, power: float = 0.8, level: float = 0.05) -> int:
    """The number of problems on which the exact McNemar test shows a difference with this power.

    Searched around the formula of Connor 1987, Biometrics 43, 207-211, which says it for more than
    :data:`EXACT` problems.

    Raises:
        ValueError: the difference is 0, or the shares do not fit each other.
    """
    _check(difference, discordant)
    if difference == 0:
        raise ValueError("no number of problems shows a difference of 0")
    alpha, beta = _quantiles(power, level)
    spread = math.sqrt(max(0.0, discordant - difference**2))
    start = ((alpha * math.sqrt(discordant) + beta * spread) / difference) ** 2
    if start > EXACT:
        return math.ceil(start)
    low, high = 1, max(2, math.ceil(start))
    while paired_power(high, difference, discordant, level) < power:
        low, high = high, high + math.ceil(high / 8)
    while high - low > 1:
        middle = (low + high) // 2
        if paired_power(middle, difference, discordant, level) < power:
            low = middle
        else:
            high = middle
    return high


def unpaired_power(problems: int, difference: float, baseline: float, level: float = 0.05) -> float:
    """The chance that the test of independent shares shows a difference, with ``problems`` on each side.

    Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 4.

    Raises:
        ValueError: ``baseline`` or ``baseline + difference`` is no share.
    """
    pooled, apart = _deviations(difference, baseline)
    alpha = NormalDist().inv_cdf(1 - level / 2)
    if apart == 0:
        return 1.0 if difference else 0.0
    return NormalDist().cdf((abs(difference) * math.sqrt(problems) - alpha * pooled) / apart)


def unpaired_problems(difference: float, baseline: float, power: float = 0.8, level: float = 0.05) -> int:
    """The number of problems on each side on which independent shares show a difference with this power.

    Raises:
        ValueError: the difference is 0, or ``baseline`` or ``baseline + difference`` is no share.
    """
    pooled, apart = _deviations(difference, baseline)
    if difference == 0:
        raise ValueError("no number of problems shows a difference of 0")
    alpha, beta = _quantiles(power, level)
    return max(1, math.ceil(((alpha * pooled + beta * apart) / difference) ** 2))


def likely_discordant(difference: float, baseline: float) -> float:
    """The share of problems that tell two sides apart if nothing that they answer hangs together.

    Sides that find the same problems hard have less. It is what to plan with where nothing was measured.

    Raises:
        ValueError: ``baseline`` or ``baseline + difference`` is no share.
    """
    _deviations(difference, baseline)
    other = baseline + difference
    return baseline * (1 - other) + other * (1 - baseline)


def _quantiles(power: float, level: float) -> tuple[float, float]:
    if not (0 < power < 1 and 0 < level < 1):
        raise ValueError("power and level are between 0 and 1")
    return NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)


def _deviations(difference: float, baseline: float) -> tuple[float, float]:
    """Of a difference of single answers: if the shares are equal, and as they are."""
    other = baseline + difference
    if not (0 <= baseline <= 1 and -1e-12 <= other <= 1 + 1e-12):
        raise ValueError("the baseline and the baseline with the difference are between 0 and 1")
    other = min(1.0, max(0.0, other))
    middle = (baseline + other) / 2
    each = baseline * (1 - baseline) + other * (1 - other)
    return math.sqrt(2 * middle * (1 - middle)), math.sqrt(each)


def _check(difference: float, discordant: float) -> None:
    if not abs(difference) <= discordant <= 1:
        raise ValueError("the share of problems that differ is at least the difference, and at most 1")
