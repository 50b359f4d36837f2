"""Methods of evaluations: who is compared with whom, and at which budget."""

from __future__ import annotations

from restmcts.evaluation.comparison.methods import (
    Budget,
    Made,
    MethodRow,
    method_accuracies,
    scored_methods,
    with_several,
)
from restmcts.evaluation.comparison.runs import Measurement
from restmcts.evaluation.comparison.tables import compare_methods, flip_table, method_tables
from restmcts.evaluation.reading.ceiling import ceiling_name


def row(
    method: str,
    right: str,
    *,
    traces: float | None = None,
    tokens: int | None = None,
    seed: int = 1,
    spent: float = 50.0,
    made: Made = "loop",
    arm: str = "",
) -> MethodRow:
    answers = {(f"p{place}", "?"): float(letter == "+") for place, letter in enumerate(right)}
    measured = Measurement(right.count("+"), len(right), spent, 5.0, answers)
    return MethodRow(method, (seed, 0), Budget(made, 1, traces, tokens, arm), measured)


def places(rows: list[MethodRow]) -> list[tuple[str, str]]:
    return [(one.name, one.point.text) for one in scored_methods(rows)]


def test_one_trace_takes_part_at_every_budget_with_room_for_it() -> None:
    rows = [
        row("greedy", "+-", traces=1.0),
        row("mcts", "++", traces=0.5, tokens=25),
        row("mcts", "++", traces=3.0, tokens=150),
    ]
    assert places(rows) == [
        ("mcts", "at 0.5 traces after iteration 1"),
        ("greedy", "at 1 trace after iteration 1"),
        ("greedy", "at 3 traces after iteration 1"),
        ("mcts", "at 3 traces after iteration 1"),
    ]


def test_budgets_in_tokens_have_room_for_what_was_spent() -> None:
    asked: Made = "asked"
    rows = [
        row("greedy", "+-", traces=1.0, made=asked),
        row("mcts", "++", tokens=40, made=asked),
        row("mcts", "++", tokens=600, made=asked),
    ]
    assert [place for place in places(rows) if place[0] == "greedy"] == [
        ("greedy", "at 1 trace after iteration 1"),
        ("greedy", "at 600 tokens after iteration 1"),
    ]


def test_budgets_of_seeds_are_the_same_traces_whatever_their_tokens() -> None:
    rows = [
        row("mcts", "++", traces=3.0, tokens=150),
        row("mcts", "+-", traces=3.0, tokens=171, seed=2),
    ]
    (one,) = scored_methods(rows)
    assert set(one.measured) == {(1, 0), (2, 0)}
    (accuracy,) = method_accuracies([one])
    assert (accuracy.runs, accuracy.accuracy.value, accuracy.policy_tokens) == (2, 0.75, 50.0)


def test_methods_are_compared_in_one_arm_and_one_evaluation() -> None:
    rows = [
        row(name, "+-", traces=3.0, tokens=9, arm=arm, made=made)
        for arm in ("A", "B")
        for made in ("loop", "closing")
        for name in ("mcts", "ours")
    ]
    found = compare_methods(scored_methods(rows))
    assert [(one.first, one.second, one.point.text) for one in found.verdicts] == [
        ("mcts", "ours", "at 3 traces after iteration 1 of A"),
        ("mcts", "ours", "at 3 traces at the end of A"),
        ("mcts", "ours", "at 3 traces after iteration 1 of B"),
        ("mcts", "ours", "at 3 traces at the end of B"),
    ]
    accuracy, differences = method_tables(found)
    assert accuracy.columns[:4] == ("arm", "iteration", "budget", "method")
    assert accuracy.rows[2][:4] == ["A", "closing", "3 traces", "mcts"]
    assert differences.rows[0][:4] == [1, "3 traces, A", "mcts", "ours"]


def test_evaluations_of_one_method_compare_none() -> None:
    rows = [row("greedy", "+-", traces=1.0), row("mcts", "+", tokens=9, made="asked")]
    assert with_several(scored_methods(rows)) == []
    assert len(with_several(scored_methods([*rows, row("ours", "+", tokens=9, made="asked")]))) == 2


def test_flips_are_listed_with_the_pair() -> None:
    found = compare_methods(scored_methods([row("a", "+--", tokens=9), row("b", "-+-", tokens=9)]))
    assert flip_table(found.verdicts).rows == [
        [1, "9 tokens", "a", "b", "right to wrong", "p0", "?"],
        [1, "9 tokens", "a", "b", "wrong to right", "p1", "?"],
    ]


def test_ceilings_have_an_accuracy_and_no_rival() -> None:
    rows = [row("mcts", "++--", traces=3.0), row("greedy", "+---", traces=3.0)]
    found = compare_methods(scored_methods([*rows, row(ceiling_name("mcts"), "+++-", traces=3.0)]))
    assert {one.method for one in found.accuracies} == {"mcts", "greedy", "oracle (mcts)"}
    assert [(one.first, one.second) for one in found.verdicts] == [("mcts", "greedy")]
