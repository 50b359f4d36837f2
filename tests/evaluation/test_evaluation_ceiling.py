"""The ceiling of a search: whether anything that it found is right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.evaluation.reading.ceiling import PASS_AT_K, ceiling_name, is_ceiling, solved_at
from restmcts.evaluation.reading.outcomes import Reading, outcomes, outcomes_at
from restmcts.problems.problem import Problem
from restmcts.search.registry import METHODS, method_settings, row_name
from restmcts.search.running.driver import failed, verified
from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from store.events import Cost, Critiqued, Extended, Header, Result, SearchRecord, Step, Stopped, Verified
from store.records import CEILING
from store.tree import fold
from tests.search.search_engines import engines, run, task


def record(*events: object, number: int = 0, reason: str = "budget", problem: str = "p") -> SearchRecord:
    header = Header(f"eval/{number}", "eval", problem, "q", "1", "best-of-n", "best-last", 1, "policy")
    ends = Stopped(reason)  # type: ignore[arg-type]
    verdicts = [event for event in events if isinstance(event, Verified)]
    others = [event for event in events if not isinstance(event, Verified)]
    all_events = (*others, ends, *verdicts)
    result = Result(None, None, reason, fold(all_events).cost, 1, 0)  # type: ignore[arg-type]
    return SearchRecord(header, all_events, result)  # type: ignore[arg-type]


def trace(number: int, text: str, tokens: int) -> list[object]:
    """A trace of one step that is the node ``number``."""
    return [
        Extended(0, (Step(text),), Cost(policy=tokens, value=3)),
        Critiqued(number, True, text),
    ]


TRACES = [*trace(1, "2", 10), *trace(2, "3", 10), *trace(3, "1", 10)]


@pytest.mark.parametrize(
    ("verdicts", "solved"),
    [
        (Verified((1, 2, 3), (False, False, True)), [False, False, False, True, True]),
        (Verified((1, 2, 3), (False, True, True)), [False, False, True, True, True]),
        (Verified((1, 2, 3), (False, False, False)), [False] * 5),
        # The grader reached no verdict on the second: unknown until a right one comes.
        (Verified((1, 3), (False, True), (2,)), [False, False, None, True, True]),
        (Verified((1, 3), (False, False), (2,)), [False, False, None, None, None]),
    ],
)
def test_a_problem_is_solved_from_the_first_right_solution_on(
    verdicts: Verified, solved: list[bool | None]
) -> None:
    found = solved_at(record(*TRACES, verdicts), [None, 30, 20, 10, 5])
    assert [at.correct for at in found] == solved
    assert [at.budget for at in found] == [5, 10, 20, 30, None]
    assert [at.cost.generated for at in found] == [0, 10, 20, 30, 30]


def test_the_answer_is_that_of_the_first_right_solution() -> None:
    verified_record = record(*TRACES, Verified((1, 2, 3), (False, True, True)))
    assert [at.answer for at in solved_at(verified_record, [10, None])] == [None, "3"]


def test_a_search_that_failed_has_solved_nothing() -> None:
    whole = record(*TRACES, Verified((1, 2, 3), (True, True, True)))
    assert [at.correct for at in solved_at(failed(whole, "out of ink"), [10, None])] == [False, False]
    stopped = record(*TRACES, Verified((1, 2, 3), (True, True, True)), reason="failed")
    assert [at.correct for at in solved_at(stopped, [10, None])] == [True, False]


@given(
    method=st.sampled_from(sorted(METHODS)),
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.none() | st.integers(0, 220), max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_no_answer_rule_is_right_more_often(method: str, seed: int, cuts: list[int | None]) -> None:
    chosen = METHODS[method].settings(early_stop=False)
    found = run(task(method, chosen, budget=200, seed=seed, oracle="1"), engines())
    graded = verified(found, Problem("p0", "q", "1"), lambda _, answers: [text == "1" for text in answers])
    ceiling = solved_at(graded, cuts)
    for answers in answers_at(graded, cuts, sorted(RULES)).values():
        assert all(top.correct or not at.correct for top, at in zip(ceiling, answers, strict=True))
    for top in ceiling:
        tree = fold(graded.events[: _fitting(graded, top.budget)])
        assert top.correct == any(node.answer == "1" for node in tree.finished())


def _fitting(record: SearchRecord, budget: float | None) -> int:
    """How many events fit a budget, counted from scratch; verdicts come after all others."""
    events = [event for event in record.events if not isinstance(event, Verified)]
    totals = [sum(event.cost.generated for event in events[:end]) for end in range(len(events) + 1)]
    return max(end for end, total in enumerate(totals) if budget is None or total <= budget)


def test_no_search_is_answered_by_the_ceiling() -> None:
    """It reads verdicts, which answer rules do not see: they answer alike whatever is right."""
    for rule in ("oracle", ceiling_name("mcts")):
        with pytest.raises(InputError, match="unknown answer rule"):
            method_settings("mcts", {"answer_by": rule}, "here")
    right, wrong = (record(*TRACES, Verified((1, 2, 3), (value,) * 3)) for value in (True, False))
    for known in RULES.values():
        assert known.run(fold(right.events), DEFAULTS) == known.run(fold(wrong.events), DEFAULTS)
    names = {row_name(method, rule) for method in METHODS for rule in RULES}
    assert not any(map(is_ceiling, names))
    assert is_ceiling(ceiling_name("mcts")) and is_ceiling(PASS_AT_K)


def test_rows_count_the_problems_with_a_verdict() -> None:
    right = Verified((1, 2, 3), (False, False, True))
    unknown = Verified((1, 2), (False, False), (3,))
    records = [
        record(*TRACES, verdict, number=number, problem=f"p{number}")
        for number, verdict in enumerate((right, unknown, right))
    ]
    found = outcomes(records, lambda _: Reading("choice", [CEILING], [20, None]))
    first, whole = found["choice", CEILING, 20], found["choice", CEILING, None]
    assert list(first.shares.values()) == [0.0, 0.0, 0.0] and first.usage.generated == 20
    assert list(whole.shares.values()) == [1.0, 1.0] and whole.accuracy.value == 1.0


def test_exchangeable_traces_have_a_share_of_their_orders() -> None:
    """One of three traces of 10 tokens is right: it is among the first one in a third of the orders."""
    graded = record(*TRACES, Verified((1, 2, 3), (False, False, True)))
    found = outcomes([graded], lambda _: Reading("choice", [CEILING], [10, 20, 30], exchangeable=0))
    assert [list(cell.shares.values()) for cell in found.values()] == [
        [pytest.approx(1 / 3)],
        [pytest.approx(2 / 3)],
        [1.0],
    ]


@given(seed=st.integers(0, 10**6), cuts=st.lists(st.none() | st.integers(0, 220), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_no_answer_rule_is_right_in_more_orders(seed: int, cuts: list[int | None]) -> None:
    chosen = METHODS["best-of-n"].settings(early_stop=False, read_by=["best-product"])
    found = run(task("best-of-n", chosen, budget=200, seed=seed, oracle="1"), engines())
    graded = verified(found, Problem("p0", "q", "1"), lambda _, answers: [text == "1" for text in answers])
    rules = [*sorted(set(RULES) - {"posterior-vote"}), CEILING]
    by_rule = outcomes_at(graded, Reading("choice", rules, cuts, exchangeable=0, orders=20))
    for rule in rules:
        for top, at in zip(by_rule[CEILING], by_rule[rule], strict=True):
            assert (top.share or 0) >= (at.share or 0) - 1e-9
