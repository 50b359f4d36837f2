"""When Self-Consistency and Best-of-N stop because their answer is sure enough."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.registry import method_settings
from restmcts.search.requests import Complete
from restmcts.search.stopping import lead_probability, traces_needed
from restmcts.search.testing import ScriptedSearch, scripted_search
from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from tests.search.search_engines import Writer, engines, run, task

COUNTS = st.floats(0, 3000)


@given(first=COUNTS, second=COUNTS)
def test_the_posterior_is_that_of_scipy(first: float, second: float) -> None:
    assert lead_probability(first, second) == pytest.approx(beta.sf(0.5, first + 1, second + 1), abs=1e-11)


@given(first=st.integers(0, 60), second=st.integers(0, 60))
def test_the_posterior_of_whole_counts_is_a_binomial_sum(first: int, second: int) -> None:
    """A Beta of whole numbers is above 1/2 when at most ``first`` of so many coins show heads."""
    coins = first + second + 1
    exact = sum(comb(coins, heads) for heads in range(first + 1)) / 2**coins
    assert lead_probability(first, second) == pytest.approx(exact, abs=1e-13)


@given(first=COUNTS, second=COUNTS)
def test_two_answers_cannot_both_lead(first: float, second: float) -> None:
    assert lead_probability(first, second) + lead_probability(second, first) == pytest.approx(1)
    assert lead_probability(first + 1, second) >= lead_probability(first, second)
    assert lead_probability(first, second + 1) <= lead_probability(first, second)


def sample(texts: str, value: Any = 0.5, **settings: Any) -> ScriptedSearch:
    """A search whose traces are single steps, each of them an answer."""
    values = value if callable(value) else lambda path: value
    chosen: Any = BestOfN if "best" in settings.get("answer_by", "") else SelfConsistency
    return scripted_search(
        "best-of-n" if chosen is BestOfN else "self-consistency",
        chosen(early_stop=False, **settings),
        propose={(): list(texts)},
        value=values,
        finished=lambda path: len(path) == 1,
    )


def batches(found: ScriptedSearch) -> list[int]:
    return [request.n for request in found.asked if isinstance(request, Complete)]


@pytest.mark.parametrize(
    ("texts", "drawn", "asked"),
    [
        # Four equal answers: 1 - 1/32 = .969 > .95, and three are not enough (.9375).
        ("aaaaaaaa", 4, [4]),
        # b b a b: at least 3 more for 6 : 1 (.965); they come as b b b.
        ("bbabbbbbb", 7, [4, 3]),
        # a b a b: 7 : 2 is .945, so six more are asked for, and they are enough: 8 : 2 (.967).
        ("ababaaaaaaaa", 10, [4, 6]),
    ],
)
def test_sampling_stops_when_the_majority_is_sure(texts: str, drawn: int, asked: list[int]) -> None:
    found = sample(texts, stop_confidence=0.95)
    assert (found.outcome.reason, sum(node.samples for node in found.tree.finished())) == ("samples", drawn)
    assert batches(found) == asked


def test_sampling_never_asks_for_more_than_its_samples() -> None:
    found = sample("abcabcabc", stop_confidence=0.95, samples=6)
    assert (sum(batches(found)), batches(found)[0]) == (6, 4)


def test_samples_of_small_value_are_small_evidence() -> None:
    """Each counts 1/4: fourteen of them are 3.5 whole ones, 1 - 1/2**4.5 = .956 (thirteen: .947)."""
    found = sample("a" * 30, 0.25, stop_confidence=0.95, answer_by="value-vote")
    assert sum(node.samples for node in found.tree.finished()) == 14


def test_the_best_trace_is_not_sure_while_the_vote_is_for_another_answer() -> None:
    """a is best by its value, .75 against .5 of b; b leads by 4 · .5 : .75 until the a come."""
    values = {("a",): 0.75, ("b",): 0.5}
    found = sample("abbbb" + "a" * 30, lambda path: values[path], stop_confidence=0.9, answer_by="best-last")
    assert found.answer == "a"
    counts = {node.answer: node.samples for node in found.tree.finished()}
    assert counts["b"] == 4
    assert lead_probability(0.75 * counts["a"], 2.0) > 0.9 >= lead_probability(0.75 * counts["a"] - 0.75, 2.0)


@pytest.mark.parametrize("rule", sorted(RULES))
@given(texts=st.text("abc", max_size=40), confidence=st.floats(0.5, 0.99))
def test_no_trace_is_drawn_after_the_answer_is_sure(rule: Any, texts: str, confidence: float) -> None:
    """Drawing several at a time stops where drawing one at a time would."""
    values = {"a": 0.75, "b": 0.5, "c": 0.25}
    settings = {"answer_by": rule, "stop_confidence": confidence, "read_by": [rule]}
    found = sample(texts, lambda path: values[path[0]], **settings)
    drawn = sum(node.samples for node in found.tree.finished())
    for first in range(drawn):
        fewer = sample(texts, lambda path: values[path[0]], **settings | {"samples": first or 1})
        if first:
            assert traces_needed(fewer.tree, rule, confidence, DEFAULTS) > 0
    if drawn < len(texts):
        assert traces_needed(found.tree, rule, confidence, DEFAULTS) == 0


def test_a_greedy_trace_is_the_first_of_the_samples() -> None:
    found = sample("aab", samples=3, greedy_first=True)
    requests = [request for request in found.asked if isinstance(request, Complete)]
    assert [(request.n, request.temperature) for request in requests] == [(1, 0.0), (2, None)]
    assert sum(node.samples for node in found.tree.finished()) == 3


def test_a_search_that_was_sure_is_answered_at_each_budget_by_its_tree() -> None:
    settings = SelfConsistency(stop_confidence=0.7, read_by=["best-likelihood"])
    record = run(task("self-consistency", settings, budget=400), engines(Writer(depth=2), value=False))
    assert record.result.reason == "samples" and record.result.cost.generated < 400
    found = answers_at(record, [record.result.cost.generated, 400, None], ["majority", "first"])
    assert {at.answer for at in found["majority"]} == {record.result.answer}
    (first,) = {at.answer for at in found["first"]}
    assert first == answers_at(record, [20], ["first"])["first"][0].answer


@pytest.mark.parametrize("confidence", [0, 1, 1.5])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(InputError, match="stop_confidence"):
        method_settings("self-consistency", {"stop_confidence": confidence}, "here")
