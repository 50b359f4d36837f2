"""Nested subsets of sampled traces, averaged over orders: against every order, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import isclose
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.evaluation.reading.budgets import AXES, GENERATED, Axis, answers_at
from restmcts.evaluation.reading.outcomes import Reading, RowOutcomes, outcomes, outcomes_at
from restmcts.evaluation.reading.posterior_subsets import chances
from restmcts.evaluation.reading.subset_answers import BEST, VOTES
from restmcts.evaluation.reading.subsets import orders_of
from restmcts.evaluation.reading.traces import traces_of
from restmcts.evaluation.reading.usage import Usage
from restmcts.evaluation.statistics import Interval, wilson
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from store.answering.constants import AnswerConstants
from store.answering.posterior import posterior
from store.answering.rules import RULES
from store.events import Cost, Critiqued, Event, Extended, SearchRecord, Step, Stopped, Valued
from store.tree import Tree
from tests.evaluation.test_evaluation_budgets import graded
from tests.search.search_engines import Writer, engines, run, task

Trace = tuple[tuple[int, ...], str | None]
"""The lengths of the steps of a trace, and its answer."""

VALUE_PROMPT = 3


def values(text: str) -> float:
    """A value that depends on the partial solution alone, so that no two are equal by chance."""
    return float(sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 9973 / 9973)


def searched(traces: list[Trace], *, ending: Cost | None = None, reason: Any = "samples") -> SearchRecord:
    """A search that sampled these traces; each is judged, and the steps that are new to it are valued.

    The value model reads a prompt of three tokens and all steps; each call samples one trace.
    """
    tree, events = Tree(), list[Event]()

    def emit(event: Event) -> list[int]:
        events.append(event)
        return tree.apply(event)

    for lengths, answer in traces:
        steps = tuple(Step(f"{length} ", (7,) * length, -0.25 * length) for length in lengths)
        steps = (*steps, Step(f"= {answer}", (9,), -0.5, True)) if answer else steps
        tokens = sum(len(step.tokens) for step in steps)
        path = emit(Extended(0, steps, Cost(policy=tokens, prompt=5, calls=1)))
        if not path:
            continue
        if not tree.nodes[path[-1]].critiqued:
            emit(Critiqued(path[-1], answer is not None, answer))
        new = tuple(node for node in path if tree.nodes[node].score is None)
        if new:
            read = sum(VALUE_PROMPT + sum(len(s.tokens) for s in tree.steps(node)) for node in new)
            emit(Valued(new, tuple(values(tree.text(node)) for node in new), Cost(value=read, calls=1)))
    emit(Stopped(reason, cost=ending or Cost()))
    whole = run(task("best-of-n", BestOfN(samples=1), oracle="1"), engines(Writer()))
    result = replace(whole.result, answer=None, cost=tree.cost, reason=reason, seconds=2.5)
    return graded(replace(whole, events=tuple(events), result=result))


STEPS = st.lists(st.integers(1, 3), min_size=0, max_size=2).map(tuple)
ANSWERS = st.sampled_from(["1", "2", "3", None])


def curves(record: SearchRecord, budgets: list[float | None], rules: list[str], **more: Any) -> Any:
    found = outcomes_at(record, Reading("", rules, budgets, exchangeable=0, **more))
    return {rule: [outcome.share for outcome in row] for rule, row in found.items()}


def reordered(traces: list[Trace], axis: Axis, rule: str, budgets: list[float | None]) -> list[float]:
    """The mean verdict over all orders, each of which is a stored search of its own."""
    rows = []
    for order in permutations(traces):
        found = answers_at(searched(list(order)), budgets, [rule], axis)[rule]
        rows.append([float(at.correct or False) for at in found])
    return [fmean(column) for column in zip(*rows, strict=True)]


@given(
    traces=st.lists(st.tuples(STEPS, ANSWERS), min_size=1, max_size=4),
    rule=st.sampled_from([*VOTES, *BEST, "posterior-vote"]),
    budgets=st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_outcomes_are_the_mean_over_all_orders(traces: list[Trace], rule: str, budgets: list[int]) -> None:
    """Each order is stored as a search of its own and answered by the rule itself; nothing is shared."""
    wanted: list[float | None] = [*sorted(budgets), None]
    found = curves(searched(traces), wanted, [rule], orders=24)[rule]
    expected = reordered(traces, GENERATED, rule, wanted)
    # A vote weighs leaves one by one and the rule sums them in another order: ties may fall either way.
    assert all(isclose(a, b, abs_tol=1e-9) for a, b in zip(found, expected, strict=True)), (found, expected)


SOLUTIONS: list[Trace] = [((1,), "1"), ((2,), "2"), ((1, 3), "2"), ((3,), "3")]


@given(
    numbers=st.lists(st.integers(0, len(SOLUTIONS) - 1), min_size=3, max_size=5),
    budgets=st.lists(st.integers(5, 30), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_solution_that_was_found_twice_counts_once_in_a_posterior_vote(
    numbers: list[int], budgets: list[int]
) -> None:
    traces = [SOLUTIONS[number] for number in numbers]
    wanted: list[float | None] = [*sorted(budgets), None]
    found = curves(searched(traces), wanted, ["posterior-vote"], orders=120)["posterior-vote"]
    assert found == pytest.approx(reordered(traces, GENERATED, "posterior-vote", wanted), abs=1e-9)


@given(
    traces=st.lists(st.tuples(STEPS, ANSWERS), min_size=1, max_size=8),
    chosen=st.sets(st.integers(0, 7)),
    unknown=st.booleans(),
    constants=st.builds(
        AnswerConstants,
        policy=st.floats(0, 2),
        value=st.floats(-1, 2),
        bias=st.floats(-1, 2),
        step_values=st.sampled_from(["score", "ratio"]),
        probabilities=st.sampled_from(["auto", "logprob", "share", "mean-logprob"]),
    ),
)
@settings(max_examples=200, deadline=None)
def test_chances_of_a_subset_are_those_of_its_tree(
    traces: list[Trace], chosen: set[int], unknown: bool, constants: AnswerConstants
) -> None:
    """The tree of the chosen traces is built by itself; the last step of a trace may have no probability."""
    inside = [number in chosen for number in range(len(traces))]
    whole = traces_of(searched(traces))
    part = searched([trace for trace, taken in zip(traces, inside, strict=True) if taken])
    assert whole is not None
    subset = Tree()
    for event in part.events:
        subset.apply(event)
    for tree in (whole.tree, subset):
        for node in tree.nodes[1:]:
            if unknown and node.step is not None and node.step.ended:
                node.step = replace(node.step, logprob=None)
    passed = np.zeros((len(traces), len(whole.tree.nodes)))
    for number, path in enumerate(whole.paths):
        passed[number, [0, *path]] = 1.0
    found = chances(whole.tree, np.array([inside]) @ passed, constants)[0]
    expected = {text_of(subset, node): chance for node, chance in enumerate(posterior(subset, constants))}
    for number, chance in enumerate(found):
        assert isclose(chance, expected.get(text_of(whole.tree, number), 0.0), rel_tol=1e-9, abs_tol=1e-12)


def text_of(tree: Tree, node: int) -> tuple[str, ...]:
    """The texts of the steps to a node."""
    return tuple(step.text for step in tree.steps(node))


@given(
    traces=st.lists(st.tuples(STEPS, ANSWERS.filter(bool)), min_size=1, max_size=4, unique=True),
    budgets=st.lists(st.integers(0, 60), min_size=1, max_size=4, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_what_is_taken_is_the_mean_over_all_orders(traces: list[Trace], budgets: list[int]) -> None:
    """A step that two traces share is valued once, by the one that comes first in the order."""
    wanted: list[float | None] = [*sorted(budgets), None]
    found = outcomes_at(searched(traces), Reading("", ["first"], wanted, exchangeable=0, orders=24))["first"]
    taken = []
    for order in permutations(traces):
        record = searched(list(order))
        # The last event before the next trace belongs to the trace: cut where the next one begins.
        taken.append([at.cost for at in answers_at(record, wanted, ["first"])["first"]])
    for place, outcome in enumerate(found):
        costs = [row[place] for row in taken]
        assert outcome.usage.generated == pytest.approx(fmean(cost.generated for cost in costs))
        assert outcome.usage.value == pytest.approx(fmean(cost.value for cost in costs))
    assert [outcome.usage.seconds for outcome in found][-1] == 2.5


@pytest.mark.parametrize("axis", ["value", "generated", "policy"])
def test_an_axis_is_what_a_budget_counts(axis: str) -> None:
    """Three traces of 2, 3 and 4 tokens, read by the value model with 3 more tokens for each step."""
    traces: list[Trace] = [((1,), "1"), ((2,), "2"), ((3,), "2")]
    record = searched(traces)
    taken = {"value": [5 + 4, 6 + 5, 7 + 6], "generated": [2, 3, 4], "policy": [2, 3, 4]}[axis]
    for budget in range(sum(taken) + 2):
        expected = []
        for order in permutations(range(3)):
            spent, right, wrong = 0, 0, 0
            for trace in order:
                spent += taken[trace]
                if spent > budget:
                    break
                right, wrong = right + (trace == 0), wrong + (trace != 0)
            first_is_right = order[0] == 0
            expected.append(right > wrong or (right == wrong and right > 0 and first_is_right))
        (found,) = curves(record, [budget], ["majority"], axis=AXES[axis])["majority"]
        assert found == pytest.approx(fmean(expected)), budget


@pytest.mark.parametrize("rule", sorted(VOTES | BEST))
def test_a_rule_that_nothing_is_known_about_is_run_on_the_tree_of_each_subset(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine traces of six solutions: the tree of a subset gives what the figures of its traces give."""
    solutions: list[Trace] = [
        ((1,), "1"),
        ((1, 2), "2"),
        ((2,), "1"),
        ((1, 3), "3"),
        ((2, 2), None),
        ((), "2"),
    ]
    record = searched([*solutions, *solutions[:3]])
    budgets: list[float | None] = [3, 8, 15, 24, None]
    quick = curves(record, budgets, [rule])[rule]
    assert any(0 < share < 1 for share in quick)
    for table in (VOTES, BEST):
        monkeypatch.delitem(table, rule, raising=False)
    assert curves(record, budgets, [rule])[rule] == pytest.approx(quick, abs=0.03)


def test_a_trace_that_comes_first_stays_first() -> None:
    """A greedy trace is read first in every order; the others change places."""
    traces: list[Trace] = [((1,), "1"), ((2,), "2"), ((3,), "3")]
    found = outcomes_at(searched(traces), Reading("", ["first"], [None], exchangeable=1, orders=24))
    assert found["first"][0].share == 1.0
    found = outcomes_at(searched(traces[::-1]), Reading("", ["first"], [None], exchangeable=1, orders=24))
    assert found["first"][0].share == 0.0
    assert orders_of(4, 100, 1, first=1).tolist() == [[0, *row] for row in permutations((1, 2, 3))]
    assert orders_of(4, 100, 1, last=True).tolist() == [[*row, 3] for row in permutations((0, 1, 2))]
    assert orders_of(1, 100, 1, first=1, last=True).tolist() == [[0]]
    assert orders_of(0, 100, 1).shape == (1, 0)


@given(traces=st.integers(0, 30), orders=st.integers(1, 60), first=st.integers(0, 3), last=st.booleans())
def test_orders_are_orders_and_each_trace_stands_equally_often_in_each_place(
    traces: int, orders: int, first: int, last: bool
) -> None:
    found = orders_of(traces, orders, 7, first=first, last=last)
    assert (np.sort(found, axis=1) == np.arange(traces)).all()
    assert len(found) <= orders and (found == orders_of(traces, orders, 7, first=first, last=last)).all()
    assert (found[:, :first] == np.arange(traces)[:first]).all()
    assert not last or not traces or (found[:, -1] == traces - 1).all()
    moved = traces - min(first, traces) - (last and traces > first)
    if moved and orders % moved == 0:
        counts = np.bincount(found[:, min(first, traces)], minlength=traces)
        assert len(set(counts[counts > 0].tolist())) == 1


@pytest.mark.parametrize("method", [SelfConsistency, BestOfN])
def test_a_search_that_ended_at_the_gate_ends_with_that_trace_in_every_order(method: Any) -> None:
    chosen = method(samples=30, answer_by="best-last", end_gate=0.93)
    seeds = range(40)
    records = [
        graded(run(task("best-of-n", chosen, seed=seed), engines(Writer(variety=5)))) for seed in seeds
    ]
    ended = [record for record in records if record.result.reason == "gate" and len(record.events) > 12]
    assert ended
    for record in ended:
        total = record.result.cost.generated
        found = curves(record, [total - 1, total, None], ["best-last", "first"], orders=50)
        for rule in ("best-last", "first"):
            assert found[rule][1] == found[rule][2] == float(record.result.correct or False)
        traces = traces_of(record)
        assert traces is not None and traces.last
        before = answers_at(record, [total - 1], ["best-last"])["best-last"]
        assert found["best-last"][0] == pytest.approx(float(before[0].correct or False))


@given(
    early=st.booleans(),
    seed=st.integers(0, 10**6),
    rule=st.sampled_from(sorted(RULES)),
    samples=st.integers(1, 12),
)
@settings(max_examples=40, deadline=None)
def test_all_traces_give_the_answer_of_the_search(early: bool, seed: int, rule: str, samples: int) -> None:
    """By a rule whose answer does not depend on the order, unless two answers are level."""
    chosen = BestOfN(samples=samples, early_stop=early, read_by=["best-product"])
    record = graded(run(task("best-of-n", chosen, seed=seed), engines(Writer(variety=4))))
    (share,) = curves(record, [None], [rule], orders=20)[rule]
    (plain,) = answers_at(record, [None], [rule])[rule]
    traces = traces_of(record)
    assert traces is not None
    assert share is not None and 0 <= share <= 1
    if rule != "first" and share in (0.0, 1.0) and rule not in ("majority", "best-likelihood"):
        assert share == float(plain.correct or False)


def test_the_cost_of_all_traces_is_that_of_the_search() -> None:
    traces: list[Trace] = [((1, 2), "1"), ((1, 3), "2"), ((1, 2), "1"), ((), None)]
    record = searched(traces, ending=Cost(policy=4))
    for budget in (record.result.cost.generated, None):
        reading = Reading("", ["majority"], [budget], exchangeable=0)
        (outcome,) = outcomes_at(record, reading)["majority"]
        cost = record.result.cost
        assert outcome.usage == Usage(cost.policy, cost.critic, cost.prompt, cost.value, cost.calls, 2.5)


def test_a_search_of_steps_is_read_in_its_own_order() -> None:
    record = graded(run(task("mcts", budget=80), engines()))
    assert traces_of(record) is None
    found = curves(record, [20, 80], ["best-value"])["best-value"]
    assert found == [float(at.correct or 0) for at in answers_at(record, [20, 80])["best-value"]]


def test_a_search_that_was_cut_does_not_know_how_long_it_had_taken() -> None:
    record = graded(run(task("mcts", budget=80), engines()))
    record = replace(record, result=replace(record.result, seconds=2.5))
    found = outcomes_at(record, Reading("", ["best-value", "majority"], [20, None]))
    for rule in ("best-value", "majority"):
        assert [outcome.usage.seconds for outcome in found[rule]] == [None, 2.5]


def test_values_that_a_rule_does_not_read_are_not_paid_for() -> None:
    record = searched([((1,), "1"), ((2,), "1")])
    reading = Reading("", ["majority", "best-last"], [None], unvalued=frozenset({"majority"}), exchangeable=0)
    found = outcomes_at(record, reading)
    assert (found["majority"][0].usage.value, found["best-last"][0].usage.value) == (0, 9 + 11)
    assert list(found) == ["majority", "best-last"]


def test_outcomes_of_a_phase_by_row_and_problem() -> None:
    records = [
        replace(record, header=replace(record.header, problem=f"p{number}"))
        for number, record in enumerate(
            [searched([((1,), "1"), ((2,), "2")]), searched([((1,), "1")]), searched([((1,), "2")])]
        )
    ]
    found = outcomes(records, lambda _: Reading("sc", ["first"], [None], exchangeable=0))
    assert found.keys() == {("sc", "first", None)}
    row = found["sc", "first", None]
    assert row.shares == {("p0", "q"): 0.5, ("p1", "q"): 1.0, ("p2", "q"): 0.0}
    assert row.accuracy.value == 0.5 and row.accuracy.low < 0.5 < row.accuracy.high
    assert row.usage.policy == pytest.approx((5 + 2 + 2) / 3)


def test_problems_without_a_verdict_have_no_outcome_but_cost_something() -> None:
    record = searched([((1,), "1")])
    events = tuple(event for event in record.events if type(event).__name__ != "Verified")
    row = outcomes([replace(record, events=events)], lambda _: Reading("", ["first"], [None]))
    assert row["", "first", None] == RowOutcomes({}, [Usage(2, 0, 5, 4 + 5, 2, 2.5)])


def accuracy(*shares: float) -> Interval:
    return RowOutcomes({(f"p{number}", "?"): share for number, share in enumerate(shares)}).accuracy


def test_mean_outcomes_have_wilson_intervals_where_they_are_verdicts() -> None:
    assert accuracy(1.0, 0.0, 1.0, 1.0) == wilson(3, 4)
    assert accuracy() == wilson(0, 0)
    shares = [number % 7 / 6 for number in range(100)]
    assert accuracy(*shares).low > accuracy(*map(round, shares)).low
