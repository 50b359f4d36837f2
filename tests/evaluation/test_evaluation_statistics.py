"""Intervals against published values and simulated data."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.evaluation.statistics import paired_difference, wilson


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


def test_the_difference_of_equal_methods_is_exactly_zero() -> None:
    interval = paired_difference([True, False] * 20, [True, False] * 20)
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


def test_the_difference_is_signed() -> None:
    first, second = [True] * 6 + [False] * 4, [True] * 2 + [False] * 8
    found, mirrored = paired_difference(first, second), paired_difference(second, first)
    assert found.value == pytest.approx(0.4)
    assert mirrored.value == pytest.approx(-0.4)
    assert found.low <= 0.4 <= found.high
    assert paired_difference([True] * 5, [False] * 5).low == 1.0


def test_the_interval_is_that_of_the_mean_difference() -> None:
    """400 pairs, 80 won and 40 lost: mean .1, standard error sqrt((.3 - .01)/400) = .0269."""
    first = [True] * 80 + [False] * 40 + [True] * 140 + [False] * 140
    second = [False] * 80 + [True] * 40 + [True] * 140 + [False] * 140
    interval = paired_difference(first, second)
    assert interval.value == pytest.approx(0.1)
    half = 1.96 * sqrt((0.3 - 0.01) / 400)
    assert interval.low == pytest.approx(0.1 - half, abs=0.008)
    assert interval.high == pytest.approx(0.1 + half, abs=0.008)


def test_what_both_find_hard_cancels_out() -> None:
    """Two methods that agree on 95 % of hard and easy problems: narrower than unpaired shares allow."""
    chance = random.Random(0)
    first = [chance.random() < 0.5 for _ in range(400)]
    second = [answer if chance.random() < 0.95 else not answer for answer in first]
    interval = paired_difference(first, second)
    assert interval.high - interval.low < 0.06 < wilson(200, 400).high - wilson(200, 400).low


def test_about_19_of_20_intervals_hold_the_true_difference() -> None:
    """.6 against .5 on 100 problems each; 95 % of 200 is 190 with a standard deviation of 3."""
    chance = random.Random(7)
    hits = 0
    for _ in range(200):
        first = [chance.random() < 0.6 for _ in range(100)]
        second = [chance.random() < 0.5 for _ in range(100)]
        interval = paired_difference(first, second, repeats=200)
        hits += interval.low <= 0.1 <= interval.high
    assert 176 <= hits <= 199


def test_the_interval_depends_on_its_seed_alone() -> None:
    chance = random.Random(1)
    pairs = [[chance.random() < 0.5 for _ in range(50)] for _ in range(2)]
    assert paired_difference(*pairs, seed=3) == paired_difference(*pairs, seed=3)


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], []), ([True], [True, False])])
def test_pairs_must_be_pairs(first: list[bool], second: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"problem|argument"):
        paired_difference(first, second)
