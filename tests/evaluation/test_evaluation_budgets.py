"""One stored search answers for every budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.evaluation.reading.budgets import AnswerAt, answers_at, answers_of
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import verified
from store.answering.constants import constants_of
from store.answering.rules import RULES
from store.events import (
    FREE,
    Cost,
    Critiqued,
    Expanded,
    Header,
    Result,
    SearchRecord,
    Step,
    Stopped,
    StopReason,
    Valued,
    Verified,
)
from store.tree import fold
from tests.search.search_engines import Writer, engines, run, task


def graded(record: SearchRecord, oracle: str = "1") -> SearchRecord:
    return verified(
        record, Problem("p0", "q", oracle), lambda problem, answers: [a == oracle for a in answers]
    )


def made(reason: StopReason = "rounds", node: int | None = None, answer: str | None = None) -> SearchRecord:
    """At 10 tokens: 7 with value .5. At 30: 1 with value .75. At 40 the search ends."""
    events = (
        Expanded(0, (Step("a"), Step("b")), (1, 1), Cost(policy=10, value=5)),
        Valued((1, 2), (0.5, 0.25), Cost(value=9)),
        Critiqued(1, True, "7"),
        Expanded(2, (Step("c"),), (1,), Cost(policy=15, critic=5)),
        Valued((3,), (0.75,)),
        Critiqued(3, True, "1"),
        Stopped(reason, node, answer, cost=Cost(policy=10)),
    )
    total = Cost(policy=35, critic=5, value=14)
    header = Header("1.search/0", "1.search", "p0", "q", "1", "mcts", "best-value", 1, "writer")
    return graded(SearchRecord(header, events, Result(answer, None, reason, total, 4, 2)))


def shown(found: list[AnswerAt]) -> list[tuple[float | None, str | None, bool | None, int]]:
    return [(at.budget, at.answer, at.correct, at.cost.generated) for at in found]


def test_what_fits_the_budget_counts() -> None:
    found = answers_at(made(), [9, 10, 29, 30, 39, 40, None])
    assert shown(found["best-value"]) == [
        (9, None, False, 0),
        (10, "7", False, 10),
        (29, "7", False, 10),
        (30, "1", True, 30),
        (39, "1", True, 30),
        (40, "1", True, 40),
        (None, "1", True, 40),
    ]
    assert [at.cost.value for at in found["best-value"]][:2] == [0, 14]


def test_budgets_come_in_any_order_and_answers_from_the_smallest_to_the_largest() -> None:
    record = made()
    assert answers_at(record, [None, 30, 10]) == answers_at(record, [10, 30, None])


def test_a_search_keeps_the_answer_that_it_chose_at_the_gate() -> None:
    """The gate was reached at the worse of two answers, at 40 tokens; smaller budgets use the rule."""
    found = answers_at(made("gate", 1, "7"), [10, 30, 40, None], ["best-value", "value-vote"])
    for rule in ("best-value", "value-vote"):
        assert [at.answer for at in found[rule]] == ["7", "1", "7", "7"]
        assert [at.correct for at in found[rule]] == [False, True, False, False]


def test_a_search_that_failed_has_no_answer_at_its_end() -> None:
    found = answers_at(made("failed"), [30, None])
    assert [at.answer for at in found["best-value"]] == ["1", None]


def test_no_rule_is_asked_for_means_the_rule_of_the_search() -> None:
    assert answers_at(made(), [30]).keys() == {"best-value"}
    assert answers_at(made(), [], ["first"]) == {"first": []}


def test_a_record_without_verdicts_is_never_right() -> None:
    record = made()
    bare = replace(record, events=tuple(e for e in record.events if not isinstance(e, Verified)))
    bare = replace(bare, result=replace(bare.result, correct=None))
    assert not any(at.correct for at in answers_at(bare, [10, 30, None])["best-value"])


def prefix(record: SearchRecord, budget: float | None) -> tuple[Any, ...]:
    """The events whose tokens, with all before them, fit the budget; counted from scratch."""
    events = [event for event in record.events if not isinstance(event, Verified)]
    for end in range(len(events), -1, -1):
        if budget is None or sum(event.cost.generated for event in events[:end]) <= budget:
            return tuple(events[:end])
    return ()


@given(
    method=st.sampled_from(sorted(METHODS)),
    early=st.booleans(),
    seed=st.integers(0, 10**6),
    budget=st.integers(20, 200),
    cuts=st.lists(st.none() | st.integers(0, 220), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_cutting_is_folding_what_fits(
    method: str, early: bool, seed: int, budget: int, cuts: list[int | None]
) -> None:
    chosen = METHODS[method].settings(early_stop=early)
    record = graded(run(task(method, chosen, budget=budget, seed=seed, oracle="1"), engines()))
    rules = sorted(RULES)
    found = answers_at(record, cuts, rules)
    assert answers_of(record, fold(record.events), rules) == {
        rule: at for rule, (at,) in answers_at(record, [None], rules).items()
    }
    ordered = sorted(cuts, key=lambda cut: float("inf") if cut is None else cut)
    for rule in rules:
        assert [at.budget for at in found[rule]] == ordered
        for at in found[rule]:
            tree = fold(prefix(record, at.budget))
            chosen_answer = RULES[rule].run(tree, constants_of(record.header.settings))
            expected = None if chosen_answer is None else chosen_answer.text
            if tree.stopped is not None and tree.stopped.reason == "gate":
                expected = record.result.answer
            assert at.answer == expected
            assert at.correct == (expected == "1")
            assert at.cost == tree.cost
            assert at.budget is None or at.cost.generated <= at.budget


@given(method=st.sampled_from(sorted(METHODS)), early=st.booleans(), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_whole_budget_gives_the_answer_of_the_search(method: str, early: bool, seed: int) -> None:
    record = graded(
        run(task(method, METHODS[method].settings(early_stop=early), budget=120, seed=seed), engines())
    )
    for budget in (120, None):
        (at,) = answers_at(record, [budget])[record.header.answer_by]
        assert (at.answer, at.correct) == (record.result.answer, record.result.correct)
        assert at.cost == record.result.cost


@pytest.mark.parametrize("method", ["self-consistency", "best-of-n"])
def test_a_cut_between_traces_is_a_search_with_fewer_traces(method: str) -> None:
    """A stored search of many traces holds the search of the first few, answers and costs alike."""
    kind = SelfConsistency if method == "self-consistency" else BestOfN
    many = graded(run(task(method, kind(samples=12, early_stop=False)), engines(Writer(variety=5))))
    for samples in (1, 3, 7, 12):
        few = graded(run(task(method, kind(samples=samples, early_stop=False)), engines(Writer(variety=5))))
        (at,) = answers_at(many, [few.result.cost.generated])[few.header.answer_by]
        assert at.answer == few.result.answer is not None
        assert at.cost.generated == few.result.cost.generated
        assert at.cost.value == few.result.cost.value


def test_free_events_at_the_limit_belong_to_the_budget() -> None:
    record = made()
    assert all(event.cost == FREE for event in record.events[4:6])
    assert answers_at(record, [30])["best-value"][0].answer == "1"
