"""Numbers of problems against simulations and published tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from restmcts.evaluation.power import (
    EXACT,
    likely_discordant,
    paired_power,
    paired_problems,
    unpaired_power,
    unpaired_problems,
)


def simulated_pairs(problems: int, difference: float, discordant: float, level: float = 0.05) -> float:
    """The share of 20,000 simulated comparisons in which the exact McNemar test shows the difference."""
    weights = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    cells = np.random.default_rng(3).multinomial(problems, weights, size=20_000)
    apart, fewer = cells[:, :2].sum(axis=1), cells[:, :2].min(axis=1)
    p = np.minimum(1, 2 * binom.cdf(fewer, apart, 0.5))
    return float((p <= level).mean())


@pytest.mark.parametrize(
    ("difference", "discordant"), [(0.03, 0.2), (0.03, 0.06), (0.05, 0.3), (0.1, 0.2), (0.4, 0.5)]
)
def test_so_many_problems_show_the_difference_as_often_as_said(difference: float, discordant: float) -> None:
    """The standard deviation of 20,000 simulations is 0.28 points: within 1.2 points."""
    problems = paired_problems(difference, discordant)
    power = paired_power(problems, difference, discordant)
    assert power >= 0.8
    assert simulated_pairs(problems, difference, discordant) == pytest.approx(power, abs=0.012)
    fewer = round(0.8 * problems)
    assert simulated_pairs(fewer, difference, discordant) == pytest.approx(
        paired_power(fewer, difference, discordant), abs=0.012
    )
    assert paired_power(fewer, difference, discordant) < 0.79


def test_a_stricter_level_and_more_power_need_more_problems() -> None:
    plain = paired_problems(0.03, 0.2)
    assert plain == pytest.approx(1800, abs=20)
    assert paired_problems(0.03, 0.2, power=0.9) > plain < paired_problems(0.03, 0.2, level=0.005)
    strict = paired_problems(0.1, 0.2, level=0.005)
    assert simulated_pairs(strict, 0.1, 0.2, 0.005) == pytest.approx(0.8, abs=0.02)


def test_the_formula_goes_on_where_counting_ends() -> None:
    """Connor's formula and the count differ by less than 2 % where they meet."""
    below, above = paired_problems(0.0095, 0.2), paired_problems(0.0085, 0.2)
    assert below < EXACT < above
    assert above * 0.0085**2 == pytest.approx(below * 0.0095**2, rel=0.02)
    assert paired_problems(-0.03, 0.2) == paired_problems(0.03, 0.2)


def test_independent_sides_against_a_simulation_and_by_hand() -> None:
    """.6 against .75: (1.96 sqrt(2 * .675 * .325) + .8416 sqrt(.24 + .1875))² / .15² = 151.9."""
    assert unpaired_problems(0.15, 0.6) == 152
    problems = unpaired_problems(0.03, 0.6)
    assert unpaired_power(problems, 0.03, 0.6) == pytest.approx(0.8, abs=1e-3)
    random = np.random.default_rng(4)
    first, second = random.binomial(problems, 0.63, 20_000), random.binomial(problems, 0.6, 20_000)
    pooled = (first + second) / (2 * problems)
    z = np.abs(first - second) / np.sqrt(2 * problems * pooled * (1 - pooled))
    assert (z > norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.012)


def test_pairs_need_no_more_problems_than_independent_sides() -> None:
    discordant = likely_discordant(0.03, 0.6)
    assert discordant == pytest.approx(0.6 * 0.37 + 0.63 * 0.4)
    assert paired_problems(0.03, discordant) == pytest.approx(unpaired_problems(0.03, 0.6), rel=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: paired_problems(0.0, 0.2),
        lambda: paired_problems(0.3, 0.2),
        lambda: paired_problems(0.1, 0.2, power=1.0),
        lambda: paired_power(10, 0.1, 1.2),
        lambda: unpaired_problems(0.5, 0.6),
        lambda: unpaired_problems(0.0, 0.6),
        lambda: likely_discordant(-0.7, 0.6),
    ],
)
def test_shares_that_do_not_fit_are_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"difference|between"):
        wrong()


def test_what_never_differs_never_shows() -> None:
    assert paired_power(100, 0.0, 0.0) == 0.0
    assert paired_power(100, 0.0, 0.2) < 0.05
    assert unpaired_power(10, 0.0, 1.0) == 0.0
