"""Intervals against published values and simulated data."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.evaluation.statistics import clustered_mean, mcnemar, newcombe, wilson


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), Table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),
    ],
)
def test_wilson_against_published_intervals(correct: int, total: int, low: float, high: float) -> None:
    interval = wilson(correct, total)
    assert interval.value == correct / total
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_knows_nothing() -> None:
    interval = wilson(0, 0)
    assert (interval.value, interval.low, interval.high) == (0, 0, 1)


@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
@settings(max_examples=80, deadline=None)
def test_wilson_bounds_solve_their_equation(counts: tuple[int, int]) -> None:
    correct, total = counts
    interval = wilson(correct, total)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    for bound in (interval.low, interval.high):
        if 0 < bound < 1:
            # the normal test of the share against the bound is at its limit
            distance = abs(interval.value - bound)
            assert distance == pytest.approx(1.959964 * sqrt(bound * (1 - bound) / total), abs=1e-6)
    mirrored = wilson(total - correct, total)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),  # Newcombe (1998), Table II, method 10
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_against_published_intervals(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    interval = newcombe(wilson(*first), wilson(*second))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_mcnemar_is_the_sign_test_of_the_pairs_that_differ() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 7) == mcnemar(7, 1) == pytest.approx(2 * (1 + 8) / 2**8)


def differences(first: list[bool], second: list[bool]) -> list[float]:
    return [float(a) - float(b) for a, b in zip(first, second, strict=True)]


def test_the_difference_of_equal_methods_is_exactly_zero() -> None:
    interval = clustered_mean([[0.0] * 40]).interval()
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_the_interval_is_that_of_the_mean_difference() -> None:
    """400 pairs, 80 won and 40 lost: mean .1, standard error sqrt((.3 - .01)/400) = .0269."""
    interval = clustered_mean([[1.0] * 80 + [-1.0] * 40 + [0.0] * 280]).interval()
    assert interval.value == pytest.approx(0.1)
    half = 1.96 * sqrt((0.3 - 0.01) / 400)
    assert interval.low == pytest.approx(0.1 - half, abs=0.008)
    assert interval.high == pytest.approx(0.1 + half, abs=0.008)


def test_what_both_find_hard_cancels_out() -> None:
    """Two methods that agree on 95 % of hard and easy problems: narrower than unpaired shares allow."""
    chance = random.Random(0)
    first = [chance.random() < 0.5 for _ in range(400)]
    second = [answer if chance.random() < 0.95 else not answer for answer in first]
    interval = clustered_mean([differences(first, second)]).interval()
    assert interval.high - interval.low < 0.06 < wilson(200, 400).high - wilson(200, 400).low


def test_about_19_of_20_intervals_hold_the_true_difference() -> None:
    """.6 against .5 on 100 problems each; 95 % of 200 is 190 with a standard deviation of 3."""
    chance = random.Random(7)
    hits = 0
    for _ in range(200):
        first = [chance.random() < 0.6 for _ in range(100)]
        second = [chance.random() < 0.5 for _ in range(100)]
        interval = clustered_mean([differences(first, second)], repeats=200).interval()
        hits += interval.low <= 0.1 <= interval.high
    assert 176 <= hits <= 199


def test_seeds_that_disagree_widen_the_interval() -> None:
    """Four seeds, half of them 20 points better, half 20 points worse: the mean says nothing."""
    better, worse = [1.0] * 20 + [0.0] * 80, [-1.0] * 20 + [0.0] * 80
    alone = clustered_mean([better]).interval()
    assert 0.1 < alone.low < alone.high < 0.3
    mixed = clustered_mean([better, worse] * 2).interval()
    assert mixed.value == 0
    assert mixed.low < -0.09 and mixed.high > 0.09


def test_the_same_problems_in_every_seed_count_once() -> None:
    """Equal blocks of the same problems say no more than one of them; of other problems they do."""
    block = [1.0] * 50 + [0.0] * 50
    width = {
        crossed: (found := clustered_mean([block] * 5, crossed=crossed).interval()).high - found.low
        for crossed in (True, False)
    }
    assert width[True] == pytest.approx(0.2, abs=0.02)
    assert width[False] == pytest.approx(0.2 / sqrt(5), abs=0.01)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_the_interval_lies_within_the_figures_and_depends_on_its_seed_alone(
    blocks: list[list[float]],
) -> None:
    found = clustered_mean(blocks, repeats=50, seed=3).interval()
    figures = [value for block in blocks for value in block]
    assert min(figures) - 1e-9 <= found.low <= found.high <= max(figures) + 1e-9
    assert found == clustered_mean(blocks, repeats=50, seed=3).interval()


@pytest.mark.parametrize(
    ("blocks", "crossed"), [([], False), ([[1.0], []], False), ([[1.0], [1.0, 0.0]], True)]
)
def test_a_mean_needs_figures(blocks: list[list[float]], crossed: bool) -> None:
    with pytest.raises(ValueError, match="block"):
        clustered_mean(blocks, crossed=crossed)
