"""Figures of paired sides: the same as those that libraries work out."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.evaluation import statistics
from store.paired import mcnemar, paired_difference, paired_figures, wilson
from store.queries import Compared, ProblemPair, Side

COUNTS = st.integers(0, 400)


@given(COUNTS, COUNTS)
def test_the_test_is_the_exact_one(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(statistics.mcnemar(only_a, only_b), rel=1e-9, abs=1e-12)


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_interval_of_a_share_is_that_of_wilson(correct: int, total: int) -> None:
    right = min(correct, total)
    found, expected = wilson(right, total), statistics.wilson(right, total)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-9
    )


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200))
def test_the_interval_of_a_difference_is_the_score_interval(only_a: int, only_b: int, alike: int) -> None:
    total = only_a + only_b + alike
    if not total:
        return
    found = paired_difference([1.0] * only_a + [-1.0] * only_b + [0.0] * alike)
    expected = statistics.paired_score(only_a, only_b, total)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-6
    )


def test_shares_have_the_normal_interval_of_their_differences() -> None:
    found = paired_difference([0.25, -0.25] * 50)
    assert found.value == 0
    assert found.high == pytest.approx(1.96 * 0.2513 / 10, abs=1e-3)
    assert found.low == -found.high


def test_shares_of_which_few_differ_have_no_narrow_interval() -> None:
    found = paired_difference([0.5] + [0.0] * 19)
    assert found.low < 0 < found.value < found.high


def test_the_figures_of_many_problems_take_a_moment() -> None:
    def pair(number: int, a: float, b: float) -> ProblemPair:
        return ProblemPair(f"p{number}", "", "x/0", "x/1", a, b, 10.0, 20.0, None)

    only_a = tuple(pair(number, 1.0, 0.0) for number in range(25_000))
    only_b = tuple(pair(number, 0.0, 1.0) for number in range(24_000))
    side = Side("run", "x", "mcts")
    began = perf_counter()
    found = paired_figures(Compared(side, side, (), only_a, only_b, (), 0, 0))
    took = perf_counter() - began
    assert found is not None
    assert (found.problems, found.tokens_a, found.tokens_b) == (49_000, 10.0, 20.0)
    assert found.p_value == pytest.approx(statistics.mcnemar(25_000, 24_000), rel=1e-6)
    assert took < 1.0
    assert paired_figures(Compared(side, side, (), (), (), (), 3, 4)) is None
