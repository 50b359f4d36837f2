"""The figures of a value model, against brute force and on data whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from restmcts.evaluation.values.judged import Judged, good_steps
from restmcts.evaluation.values.resampling import area_under_curve
from restmcts.evaluation.values.value_report import MINIMUM, value_report

SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def brute_force(rows: list[tuple[float, bool, int]]) -> float:
    """The share of pairs in the right order, every row taken as often as its weight says."""
    good = [score for score, correct, weight in rows for _ in range(weight) if correct]
    bad = [score for score, correct, weight in rows for _ in range(weight) if not correct]
    if not good or not bad:
        return math.nan
    wins = sum(1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad)
    return wins / (len(good) * len(bad))


@given(st.lists(st.tuples(SCORES, st.booleans(), st.integers(0, 3)), min_size=1, max_size=25))
def test_area_under_curve_counts_pairs_with_ties_and_weights(rows: list[tuple[float, bool, int]]) -> None:
    scores = np.array([row[0] for row in rows])
    correct = np.array([row[1] for row in rows])
    weights = np.array([[1.0] * len(rows), [float(row[2]) for row in rows]])
    plain, weighted = area_under_curve(scores, correct, weights)
    assert plain == pytest.approx(brute_force([(s, c, 1) for s, c, _ in rows]), nan_ok=True)
    assert weighted == pytest.approx(brute_force(rows), nan_ok=True)


@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=25), st.randoms())
def test_area_under_curve_ignores_order_and_monotone_scale(
    rows: list[tuple[float, bool]], random: object
) -> None:
    weights = np.ones((1, len(rows)))
    scores, correct = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    before = area_under_curve(scores, correct, weights)[0]
    random.shuffle(rows)  # type: ignore[attr-defined]
    shuffled = np.array([math.exp(3 * row[0]) for row in rows]), np.array([row[1] for row in rows])
    assert area_under_curve(*shuffled, weights)[0] == pytest.approx(before, nan_ok=True)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_area_under_curve_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, correct = random.random(40).round(1), random.random(40) < 0.5
    weights = random.integers(0, 4, (3, 40)).astype(float)
    for row, found in zip(weights, area_under_curve(scores, correct, weights), strict=True):
        if len(np.unique(correct[row > 0])) == 2:
            assert found == pytest.approx(roc_auc_score(correct, scores, sample_weight=row))


def rows(
    groups: int = 200, depth: int = 1, *, scale: float = 1.0, shift: float = 0.0, seed: int = 0
) -> list[Judged]:
    """Steps whose label is drawn with probability p, and predicted as ``scale * p + shift``."""
    random = np.random.default_rng(seed)
    made = []
    for group in range(groups):
        for _ in range(5):
            p = random.random()
            correct = bool(random.random() < p)
            predicted = scale * p + shift
            made.append(Judged(f"p{group}", depth, predicted, float(correct), correct, math.log(p + 1e-9)))
    return made


def test_calibrated_predictions_have_slope_one_and_no_error() -> None:
    calibration = value_report(rows(1000)).calibration
    assert calibration.slope.value == pytest.approx(1.0, abs=0.05)
    assert calibration.intercept.value == pytest.approx(0.0, abs=0.03)
    assert calibration.error.value < 0.03
    assert sum(one.count for one in calibration.bins) == 5000


def test_intervals_hold_the_truth_in_about_95_of_100_samples() -> None:
    held = 0
    for seed in range(100):
        report = value_report(rows(40, seed=seed), repeats=300)
        held += report.calibration.slope.low < 1.0 < report.calibration.slope.high
    assert 85 <= held <= 99


def test_squeezed_predictions_show_in_slope_error_and_bins() -> None:
    calibration = value_report(rows(1000, scale=0.25, shift=0.5)).calibration
    assert calibration.slope.value == pytest.approx(4.0, abs=0.3)
    assert calibration.intercept.value == pytest.approx(-2.0, abs=0.2)
    # |.25 p + .5 - p| has the mean .208 over p in [0, 1]; bins take a little away from it.
    assert calibration.error.value == pytest.approx(0.2, abs=0.04)
    assert [one.low for one in calibration.bins] == [0.5, 0.6, 0.7]


def test_expected_calibration_error_by_hand() -> None:
    judged = [
        Judged("a", 1, 0.05, 0.0, False),
        Judged("a", 2, 0.95, 1.0, True),
        Judged("b", 1, 0.91, 0.0, False),
        Judged("b", 2, 1.0, 1.0, True),
    ]
    report = value_report(judged)
    expected = (1 * 0.05 + 3 * abs((0.95 + 0.91 + 1.0) / 3 - 2 / 3)) / 4
    assert report.calibration.error.value == pytest.approx(expected)
    assert report.squared_error.value == pytest.approx((0.05**2 * 2 + 0.91**2) / 4)


def test_equal_predictions_have_no_slope() -> None:
    judged = [Judged(str(number), 1, 0.3, number % 2, number % 2 == 1) for number in range(40)]
    report = value_report(judged)
    assert math.isnan(report.calibration.slope.value)
    assert report.overall.value is not None
    assert report.overall.value.value == 0.5


def test_depths_with_few_steps_are_counted_but_not_ranked() -> None:
    many = rows(100, depth=1)
    few = [Judged(f"p{number}", 2, 0.5, 1.0, True, -1.0) for number in range(50)]
    few += [Judged(f"p{number}", 2, 0.4, 0.0, False, -2.0) for number in range(MINIMUM - 1)]
    report = value_report(many + few)
    first, second = report.depths
    assert first.depth == 1 and first.value is not None
    assert (second.depth, second.good, second.bad) == (2, 50, MINIMUM - 1)
    assert second.value is None and second.likelihood_sum is None
    assert "auc.depth_2" not in report.metrics() and "auc.depth_1" in report.metrics()


def test_likelihood_control_ranks_by_sum_and_by_mean() -> None:
    judged = []
    for number in range(20):
        judged.append(Judged(f"a{number}", 4, 0.5, 1.0, True, -4.0))
        judged.append(Judged(f"b{number}", 1, 0.5, 0.0, False, -2.0))
    overall = value_report(judged).overall
    assert overall.value is not None and overall.value.value == 0.5
    assert overall.likelihood_sum is not None and overall.likelihood_sum.value == 0.0
    assert overall.likelihood_mean is not None and overall.likelihood_mean.value == 1.0


def test_no_control_without_log_probabilities() -> None:
    judged = [Judged("a", 1, number / 30, 0.0, number > 10) for number in range(30)]
    overall = value_report(judged).overall
    assert overall.value is not None and overall.value.value == 1.0
    assert overall.likelihood_sum is None


def test_intervals_are_reproducible_and_widen_when_steps_are_not_independent() -> None:
    judged = rows(40)
    assert value_report(judged) == value_report(judged)
    copied = [Judged(row.group, 1, row.predicted, row.label, row.correct) for row in judged for _ in range(5)]
    apart = [
        Judged(f"{row.group}/{copy}/{number}", 1, row.predicted, row.label, row.correct)
        for number, row in enumerate(judged)
        for copy in range(5)
    ]
    together, independent = value_report(copied).overall.value, value_report(apart).overall.value
    assert together is not None and independent is not None
    assert together.value == pytest.approx(independent.value)
    assert together.high - together.low > 1.5 * (independent.high - independent.low)


def test_share_near_the_label_counts_a_distance_of_a_tenth() -> None:
    judged = [Judged("a", 1, predicted, 0.5, True) for predicted in (0.4, 0.45, 0.6, 0.61, 0.0)]
    assert value_report(judged).near.value == pytest.approx(3 / 5)


def test_quality_values_that_follow_from_steps_are_compared_where_both_are_known() -> None:
    judged = [
        Judged("a", 1, 0.9, 1.0, True, quality=0.25, derived=0.2),
        Judged("a", 2, 0.1, 0.0, False, quality=0.0, derived=0.3),
        Judged("b", 1, 0.1, 0.0, False, quality=None, derived=0.3),
    ]
    report = value_report(judged)
    assert report.quality_squared_error is not None and report.quality_near is not None
    assert report.quality_squared_error.value == pytest.approx((0.05**2 + 0.3**2) / 2)
    assert report.quality_near.value == 0.5
    assert value_report(judged[2:]).quality_squared_error is None


@pytest.mark.parametrize("sign", [1, -1])
def test_length_bias_is_the_correlation_of_the_error_with_the_number_of_steps(sign: int) -> None:
    """Labels that rise with the length are no bias; values that miss them by more and more are."""
    random = np.random.default_rng(0)
    judged = []
    for number in range(60):
        depth, noise = number % 6 + 1, random.normal(0, 0.01)
        judged.append(Judged(f"g{number}", depth, depth / 10 + sign * depth / 100 + noise, depth / 10, True))
        judged.append(Judged(f"b{number}", depth, 0.3, 0.3, False))
    bias = value_report(judged).length
    assert bias.bad is None and bias.good is not None
    errors = [row.predicted - row.label for row in judged[::2]]
    assert bias.good.value == pytest.approx(np.corrcoef([row.depth for row in judged[::2]], errors)[0, 1])
    assert sign * bias.good.low > 0.5


@pytest.mark.parametrize(("strength", "at_chance"), [(0.0, True), (0.02, True), (1.0, False)])
def test_a_value_model_at_chance_is_told(strength: float, at_chance: bool) -> None:
    random = np.random.default_rng(1)
    judged = [
        Judged(f"p{number // 4}", 1, float(random.random() + strength * (number % 2)), 0.0, number % 2 == 1)
        for number in range(400)
    ]
    assert value_report(judged).overall.at_chance is at_chance
    assert value_report(judged[:8]).overall.at_chance is None


def test_empty_input_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        value_report([])


def test_good_steps_from_quality_values() -> None:
    assert good_steps([0.25, 0.5, 0.75, 1.0]) == (True,) * 4
    assert good_steps([1 / 3, 1 / 9, 0.0, 0.0]) == (True, False, False, False)
    assert good_steps([1.0, 1.0, 0.0, 0.0]) == (True, True, False, False)
    assert good_steps([0.5, None, 0.25]) == (True, None, False)
