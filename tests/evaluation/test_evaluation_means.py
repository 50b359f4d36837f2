"""Outcomes by problem: differences, tests and flips against scipy and cases worked by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from restmcts.evaluation.means import (
    Differences,
    Flips,
    Outcomes,
    by_problem,
    flips,
    mean_of,
)
from restmcts.evaluation.statistics import (
    bootstrap_mean,
    holm,
    independent_shares,
    mcnemar,
    paired_score,
    wilson,
)


def block(*figures: float, first: int = 0) -> Outcomes:
    return {(f"p{first + number:03}", "?"): figure for number, figure in enumerate(figures)}


@pytest.mark.parametrize(
    ("first", "second", "total", "low", "high"),
    [
        (1, 7, 21, -0.517, -0.026),  # Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness
        (0, 0, 8, -0.3244, 0.3244),  # z² / (n + z²)
        (5, 0, 5, 0.1310, 1.0),
    ],
)
def test_score_intervals_of_pairs_against_published_ones(
    first: int, second: int, total: int, low: float, high: float
) -> None:
    found = paired_score(first, second, total)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_score_intervals_of_pairs_mirror_and_nest(won: int, lost: int, same: int, level: float) -> None:
    total = max(1, won + lost + same)
    found, mirrored = paired_score(won, lost, total, level), paired_score(lost, won, total, level)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (-mirrored.high, -mirrored.low) == pytest.approx((found.low, found.high), abs=1e-7)
    wide = paired_score(won, lost, total, 0.995)
    assert wide.low <= found.low + 1e-9 and found.high <= wide.high + 1e-9


def test_holm_against_worked_cases() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []
    # Aickin and Gensler 1996, American Journal of Public Health 86, 726-728, table 1
    raw = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    assert holm(raw)[:5] == pytest.approx([0.001, 0.0036, 0.0152, 0.0665, 0.1206])


@given(st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=60, deadline=None)
def test_holm_keeps_the_order_and_lies_between_nothing_and_bonferroni(raw: list[float]) -> None:
    found = holm(raw)
    for p, corrected in zip(raw, found, strict=True):
        assert p <= corrected <= min(1.0, len(raw) * p) + 1e-12
    order = np.argsort(raw, kind="stable")
    assert all(found[a] <= found[b] for a, b in pairwise(order))


def test_tests_agree_with_scipy() -> None:
    answers = block(*[1.0] * 30 + [-1.0] * 12 + [0.0] * 100)
    assert Differences([answers]).p_value == stats.binomtest(30, 42, 0.5).pvalue == mcnemar(30, 12)
    shares = np.random.default_rng(0).uniform(-0.5, 0.7, 60)
    assert Differences([block(*shares)]).p_value == pytest.approx(stats.ttest_1samp(shares, 0).pvalue)
    assert Differences([block(0.5, 0.25, 0.25, -0.1)]).p_value == stats.binomtest(3, 4, 0.5).pvalue
    z = (0.6 - 0.5) / np.sqrt(0.55 * 0.45 * 2 / 400)
    assert independent_shares((240, 400), (200, 400)) == pytest.approx(2 * stats.norm.sf(z))
    assert independent_shares((3, 5), (1, 5)) == stats.fisher_exact([[3, 2], [1, 4]]).pvalue
    assert independent_shares((5, 5), (9, 9)) == 1.0


def test_the_interval_of_one_seed_is_the_bootstrap_of_scipy() -> None:
    shares = np.random.default_rng(1).uniform(-1, 1, 50)
    reference = stats.bootstrap((shares,), np.mean, n_resamples=2000, batch=200, rng=0).confidence_interval
    found = Differences([block(*shares)]).interval()
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    narrow = Differences([block(*shares)]).interval(0.9)
    assert found.low < narrow.low < narrow.high < found.high


def test_answers_of_one_seed_have_a_wilson_interval_and_shares_a_bootstrap() -> None:
    answers = [1.0] * 40 + [0.0] * 60
    assert mean_of([block(*answers)]) == wilson(40, 100)
    shares = np.random.default_rng(2).uniform(0, 1, 100)
    assert mean_of([block(*shares)]) == bootstrap_mean(list(shares))
    assert mean_of([block(*shares)]).high - mean_of([block(*shares)]).low < 0.13, (
        "narrower than right or wrong"
    )


def test_no_difference_on_few_problems_is_no_proof_of_none() -> None:
    """A bootstrap of zeros has no width at all."""
    nothing = [block(*[0.0] * 8)]
    found = Differences(nothing).interval()
    assert found.low < -0.3 and found.high > 0.3 and Differences(nothing).p_value == 1
    assert not Differences(nothing).equal_within(0.05)
    assert Differences([block(*[0.0] * 200)]).equal_within(0.02)
    assert not Differences([block(*[0.0] * 100)]).equal_within(0.02)


def test_equality_is_shown_by_the_interval_of_90_percent() -> None:
    """Of 400 problems 20 are won and 20 lost: the standard error is sqrt(.1 / 400) = 1.58 points."""
    answers = Differences([block(*[1.0] * 20 + [-1.0] * 20 + [0.0] * 360)])
    assert answers.equal_within(1.645 * 0.0158 + 0.002)
    assert not answers.equal_within(1.645 * 0.0158 - 0.002)
    assert not Differences([block(*[1.0] * 40 + [0.0] * 360)]).equal_within(0.05)


def test_seeds_of_the_same_problems_are_not_so_many_problems() -> None:
    row = block(*[1.0] * 30 + [-1.0] * 20 + [0.0] * 50)
    other = {(name, text + "!"): value for (name, text), value in row.items()}
    same, apart = Differences([row, row]).interval(), Differences([row, other]).interval()
    assert same.value == apart.value == pytest.approx(0.1)
    assert same.high - same.low > 1.2 * (apart.high - apart.low)


def test_flips_are_named_in_both_directions() -> None:
    first, second = block(1, 1, 0, 0, 1.0), block(1, 0, 1, 0)
    assert flips(first, second) == Flips((("p001", "?"),), (("p002", "?"),))
    assert flips(by_problem([first, block(0, 0, 0, 0)]), second) == Flips((), (("p000", "?"), ("p002", "?")))


@pytest.mark.parametrize("function", [mean_of, Differences])
def test_outcomes_need_a_problem(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="problem"):
        function([])
    with pytest.raises(ValueError, match="problem"):
        function([block(1.0), {}])


@given(
    st.lists(
        st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=3, max_size=3),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=40, deadline=None)
def test_sides_may_be_swapped(rows: list[list[float]]) -> None:
    sides = Differences([block(*row) for row in rows])
    others = Differences([block(*(-figure for figure in row)) for row in rows])
    found, swapped = sides.interval(), others.interval()
    assert (found.value, found.low, found.high) == pytest.approx(
        (-swapped.value, -swapped.high, -swapped.low), abs=1e-7
    )
    assert sides.p_value == pytest.approx(others.p_value)
