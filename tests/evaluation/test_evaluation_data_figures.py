"""The figures of an iteration, worked by hand."""

from __future__ import annotations

import pytest

from restmcts.evaluation.data_figures import auc, data_figures
from restmcts.labels import any_correct
from store.events import SearchRecord
from store.tree import fold
from tests.samples.made_trees import search


def figures(*records: SearchRecord) -> dict[str, float]:
    return data_figures((fold(record.events) for record in records), any_correct)


def test_figures_are_means_over_problems() -> None:
    half = search([("ab", True), ("ab", True), ("ac", False), ("d", False)])  # 2 of 4 samples are right
    wrong = search([("a", False), ("b", False), ("c", None)])
    none = search([], unfinished=["a"])
    assert figures(half, wrong, none) == {
        "data.pass_at_1": pytest.approx(0.5 / 3),
        "data.pass_at_k": pytest.approx(1 / 3),
        # b, c and d; a, b and c; nothing.
        "data.distinct_answers": 2.0,
        "data.right_traces": pytest.approx(1 / 3),
    }


def test_problems_without_a_verdict_are_left_out() -> None:
    assert figures(search([("a", None)]), search([("a", True)]))["data.pass_at_1"] == 1.0
    assert figures(search([("a", None)])) == {}


def test_the_value_model_is_judged_by_all_its_steps_with_a_verdict_below() -> None:
    """Right: a .6, ab .2; wrong: ac .5, d .1; e has no verdict. Of 4 comparisons 3 are won."""
    values = {"a": 0.6, "ab": 0.2, "ac": 0.5, "d": 0.1, "e": 0.9}
    record = search([("ab", True), ("ac", False), ("d", False)], values=values, unfinished=["e"])
    assert figures(record)["data.value_auc"] == 0.75


def test_without_scores_of_both_kinds_there_is_no_auc() -> None:
    assert "data.value_auc" not in figures(search([("a", True)], values={"a": 0.5}))
    assert auc([0.1, 0.2], [1.0, 1.0]) is None
    assert auc([0.2, 0.2], [1.0, 0.0]) == 0.5
