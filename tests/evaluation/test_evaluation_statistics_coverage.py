"""How often intervals hold the truth: counted out where that is possible, simulated with a seed elsewhere.

The bounds around 95 % are stated in each test. 300 simulations of a right interval have a standard deviation
of 1.3 points, so that 91.5 to 98.5 % are hardly ever left by chance.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, multinomial

from restmcts.evaluation.means import Differences, Outcomes, mean_of
from restmcts.evaluation.statistics import Interval, newcombe, paired_score, wilson

SIMULATIONS = 300


def holds(found: Interval, truth: float) -> bool:
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def block(figures: NDArray[Any]) -> Outcomes:
    return {(f"p{number}", "?"): float(figure) for number, figure in enumerate(figures)}


@pytest.mark.parametrize("total", [5, 20, 100])
def test_wilson_holds_the_share_as_often_as_it_says(total: int) -> None:
    """Near 0 and 1 it dips, as every interval of so few answers does; it is right on average."""
    found = [wilson(correct, total) for correct in range(total + 1)]
    coverage = [
        sum(binom.pmf(k, total, p) for k, one in enumerate(found) if holds(one, p))
        for p in np.linspace(0.005, 0.995, 100)
    ]
    assert 0.94 < np.mean(coverage) < 0.975
    assert min(coverage) > 0.82


def test_newcombe_holds_the_difference_as_often_as_it_says() -> None:
    shares = [wilson(correct, 15) for correct in range(16)]
    inside = {(a, b): newcombe(shares[a], shares[b]) for a, b in product(range(16), repeat=2)}
    for p, q in [(0.5, 0.5), (0.9, 0.6), (0.02, 0.02), (0.98, 0.9), (0.3, 0.05)]:
        weights = np.outer(binom.pmf(range(16), 15, p), binom.pmf(range(16), 15, q))
        coverage = sum(weights[pair] for pair, one in inside.items() if holds(one, p - q))
        assert 0.93 < coverage <= 1, (p, q)


@pytest.mark.parametrize(
    ("won", "lost"), [(0.1, 0.1), (0.2, 0.05), (0.02, 0.02), (0.01, 0.0), (0.6, 0.1), (0.95, 0.01)]
)
def test_the_score_interval_of_pairs_holds_the_difference(won: float, lost: float) -> None:
    """With 20 problems, counted out over everything that can happen."""
    cells = [(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)]
    weights = multinomial.pmf(cells, 20, [won, lost, 1 - won - lost])
    likely = [(cell, weight) for cell, weight in zip(cells, weights, strict=True) if weight > 1e-6]
    coverage = sum(weight for (a, b, _), weight in likely if holds(paired_score(a, b, 20), won - lost))
    assert 0.93 < coverage <= 1


@pytest.mark.parametrize(
    ("problems", "won", "lost", "low", "high"),
    [
        (20, 0.1, 0.1, 0.92, 1.0),
        (150, 0.06, 0.04, 0.915, 0.985),
        (150, 0.2, 0.1, 0.915, 0.985),
        (60, 0.45, 0.05, 0.915, 0.985),
    ],
)
def test_paired_intervals_hold_the_difference(
    problems: int, won: float, lost: float, low: float, high: float
) -> None:
    random = np.random.default_rng(5)
    kinds, weights = np.array([1.0, -1.0, 0.0]), [won, lost, 1 - won - lost]
    hits = sum(
        holds(Differences([block(random.choice(kinds, problems, p=weights))]).interval(), won - lost)
        for _ in range(SIMULATIONS)
    )
    assert low <= hits / SIMULATIONS <= high


@pytest.mark.parametrize(
    ("problems", "share", "low"), [(30, 0.5, 0.915), (50, 0.95, 0.915), (50, 0.01, 0.915), (200, 0.97, 0.915)]
)
def test_intervals_of_shares_hold_the_mean(problems: int, share: float, low: float) -> None:
    """Outcomes of sampling methods: the share of 16 orders that are right, with problems hard and easy."""
    random = np.random.default_rng(6)
    hits = 0
    for _ in range(SIMULATIONS):
        chances = random.beta(share, 1 - share, problems)
        hits += holds(mean_of([block(random.binomial(16, chances) / 16)]), share)
    assert low <= hits / SIMULATIONS <= 1


@pytest.mark.parametrize(
    ("seeds", "spread", "low"), [(2, 0.0, 0.93), (3, 0.0, 0.95), (3, 0.05, 0.93), (6, 0.05, 0.93)]
)
def test_intervals_over_seeds_hold_the_difference(seeds: int, spread: float, low: float) -> None:
    """The same 80 problems for every seed; seeds differ by chance alone, or by 5 points of their own.

    What is shown to be different is so: a test at 5 % of two equal sides is wrong no more often than it says.
    """
    random = np.random.default_rng(7)
    hits = errors = 0
    for _ in range(100):
        hard = random.uniform(0.1, 0.9, 80)
        own = random.normal(0, spread, (seeds, 1))
        first = random.random((seeds, 80)) < hard + own / 2
        second = random.random((seeds, 80)) < hard - own / 2
        blocks = [block(row) for row in first.astype(float) - second]
        hits += holds(Differences(blocks).interval(), 0.0)
        errors += Differences(blocks).p_value < 0.05
    assert hits / 100 >= low
    assert errors / 100 <= 0.07


def test_intervals_of_a_mean_over_seeds_hold_it() -> None:
    random = np.random.default_rng(8)
    hits = 0
    for _ in range(SIMULATIONS):
        chances = random.beta(1.2, 0.8, 80)
        hits += holds(mean_of([block((random.random(80) < chances) * 1.0) for _ in range(3)]), 0.6)
    assert 0.93 <= hits / SIMULATIONS <= 1
