"""Held-out chains as the rows of a value report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from restmcts.aggregations import Aggregation
from restmcts.evaluation.values.judged import Judged, JudgedChain
from restmcts.samples.judged import Judging, Truth, truth_of_labels
from store.events import Step
from store.records import ValueSample

Labels = tuple[float | None, ...]


def sample(labels: Labels, names: str, tree: str = "t/1", logprob: float | None = -0.5) -> ValueSample:
    steps = tuple(Step(f"{name}\n", (), logprob) for name in names)
    return ValueSample("p1", "?", steps, labels, (tree,) if tree else ())


def rows(
    samples: list[ValueSample],
    predictions: list[Sequence[float] | None],
    aggregation: Aggregation = "last",
    truths: list[Truth] | None = None,
) -> tuple[list[Judged], list[JudgedChain]]:
    judging = Judging(samples, truths or [truth_of_labels(one) for one in samples], predictions, aggregation)
    return list(judging.steps()), list(judging.chains())


def test_steps_carry_depth_value_and_likelihood_once() -> None:
    samples = [sample((0.5, 1.0), "12"), sample((0.5, 0.25), "13"), sample((1.0,), "9")]
    found, _ = rows(samples, [(0.4, 0.9), (0.4, 0.2), None])
    assert [(row.depth, row.predicted, row.label, row.correct, row.log_probability) for row in found] == [
        (1, 0.4, 0.5, True, -0.5),
        (2, 0.9, 1.0, True, -1.0),
        (2, 0.2, 0.25, False, -1.0),
    ]


def test_equal_steps_of_another_tree_are_other_steps() -> None:
    found, chains = rows([sample((1.0,), "1"), sample((1.0,), "1", "t/2")], [(0.5,), (0.5,)])
    assert len(found) == len(chains) == 2


def test_likelihood_is_unknown_after_a_step_without_one() -> None:
    bare = ValueSample("p1", "?", (Step("1\n", (), -0.5), Step("2\n")), (0.5, 1.0), ())
    found, chains = rows([bare], [(0.1, 0.2)])
    assert [row.log_probability for row in found] == [-0.5, None]
    assert chains[0].likelihoods == ()


def test_values_that_aggregate_are_compared_with_right_and_wrong() -> None:
    """K = 2, distances 2, 1: the quality value of a right first step is .5, of a wrong second .5 - .5/2."""
    found, _ = rows(
        [sample((0.5, 1.0), "12"), sample((0.5, 0.25), "13")], [(0.8, 0.5), (0.8, 0.1)], "product"
    )
    assert [row.predicted for row in found] == pytest.approx([0.8, 0.4, 0.08])
    assert [row.label for row in found] == [1.0, 1.0, 0.0]
    assert [row.quality for row in found] == [0.5, 1.0, 0.25]
    assert [row.derived for row in found] == [
        pytest.approx(0.8 * 0.5),
        pytest.approx(0.4 * 1 + 0.8 * 0.5 * 0.25),
        pytest.approx(0.08 * 1 + 0.8 * 0.9 * 0.25),
    ]


def test_values_that_aggregate_are_judged_after_the_first_error_too() -> None:
    given = [Truth((True, False, False, None))]
    found, _ = rows([sample((1.0, 0.0, None, None), "1234")], [(0.8, 0.5, 0.5, 0.5)], "product", given)
    assert [(row.depth, row.label) for row in found] == [(1, 1.0), (2, 0.0), (3, 0.0)]
    by_label, _ = rows([sample((1.0, 0.0, None, None), "1234")], [(0.8, 0.5, 0.5, 0.5)], "last", given)
    assert [row.depth for row in by_label] == [1, 2]


def test_labels_of_single_steps_say_nothing_about_quality_values() -> None:
    found, _ = rows([sample((1.0, 0.0), "12")], [(0.8, 0.5)], "product")
    assert [row.quality for row in found] == [None, None]
    given = [Truth((True, False), (0.5, 0.25))]
    assert [row.quality for row in rows([sample((1.0, 0.0), "12")], [(0.8, 0.5)], "product", given)[0]] == [
        0.5,
        0.25,
    ]


def test_chains_end_at_the_first_error_and_count_once() -> None:
    samples = [
        sample((1.0, 0.0, None), "123"),
        sample((1.0, 0.0, None), "124"),
        sample((1.0, 1.0), "15"),
        sample((1.0, None), "16"),
    ]
    _, chains = rows(samples, [(0.9, 0.2, 0.7), (0.9, 0.2, 0.1), (0.9, 0.6), (0.9, 0.9)], "product")
    assert [(chain.scores, chain.first_error) for chain in chains] == [((0.9, 0.2), 1), ((0.9, 0.6), None)]
    assert chains[0].likelihoods == (-0.5, -0.5)


def test_an_error_of_values_that_rise_is_a_fall() -> None:
    _, chains = rows([sample((1 / 3, 2 / 3, 1.0), "123")], [(0.3, 0.7, 0.6)])
    assert chains[0].scores == pytest.approx((0.3, 0.4, -0.1))
    _, chains = rows([sample((0.75, 0.5, 1.0), "123")], [(0.3, 0.7, 0.6)])
    assert chains[0].scores[0] == 0.3
