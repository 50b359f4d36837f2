"""How many problems show a difference, and how likely so many show it."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT = 20_000
"""Up to so many problems the test itself is counted out; for more, the formula is as good."""

NOTHING = 1e-9
"""A smaller difference is 0 but for rounding: a mean of shares is rarely exactly 0."""


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
    from scipy.special import bdtr

    _check(difference, discordant)
    if discordant == 0:
        return 0.0
    apart, chance = _numbers_apart(problems, discordant)
    refused = _refused(level, 1 << int(apart[-1]).bit_length())[apart]
    won = (1 + abs(difference) / discordant) / 2
    shown = bdtr(refused, apart, won) + bdtr(refused, apart, 1 - won)
    return float(chance @ np.where(refused < 0, 0.0, shown))


def _numbers_apart(problems: int, discordant: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many problems may tell the sides apart, and the chance of each; by Bernstein all but 2e-10."""
    import numpy as np
    from scipy.stats import binom

    mean, variance, bound = problems * discordant, problems * discordant * (1 - discordant), math.log(1e10)
    reach = bound / 3 + math.sqrt(bound**2 / 9 + 2 * bound * variance)
    apart = np.arange(max(0, math.floor(mean - reach)), min(problems, math.ceil(mean + reach)) + 1)
    return apart, binom.pmf(apart, problems, discordant)


@lru_cache(maxsize=8)
def _refused(level: float, size: int) -> NDArray[np.int64]:
    """The most wins of the rarer side at which the exact test at ``level`` shows a difference.

    By the number of problems that tell the sides apart, 0 to ``size``; -1 where no number of wins is enough.
    """
    import numpy as np
    from scipy.stats import binom

    apart = np.arange(size + 1)
    found = binom.ppf(level / 2, apart, 0.5)
    found -= binom.cdf(found, apart, 0.5) > level / 2
    refused: NDArray[np.int64] = found.astype(np.int64)
    return refused


def paired_problems(difference: float, discordant: float, power: float = 0.8, level: float = 0.05) -> int:
    """The number of problems on which the exact McNemar test shows a difference with this power.

    Searched around the formula of Connor 1987, Biometrics 43, 207-211, which says it for more than
    :data:`EXACT` problems.

    Raises:
        ValueError: the difference is 0 or below 1e-9, or the shares do not fit each other.
    """
    _check(difference, discordant)
    if abs(difference) < NOTHING:
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
        ValueError: the difference is 0 or below 1e-9, or ``baseline``, alone or with it, is no share.
    """
    pooled, apart = _deviations(difference, baseline)
    if abs(difference) < NOTHING:
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
