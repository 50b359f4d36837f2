"""Stored traces with the values of another value model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.methods.step_completions import StepCompletions
from restmcts.search.running.revaluing import revaluing_task
from restmcts.search.settings import Method
from store.events import SearchRecord, Stopped, Valued
from store.tree import fold
from tests.search.search_engines import Judge, Writer, engines, run, task

PROBLEM = task("greedy").problem

RULES = ["value-vote", "best-last", "best-minimum", "best-product"]


class Turned(Judge):
    """Another value model: it likes what the first one does not."""

    async def score(self, prompts: Any) -> list[float]:
        return [1 - value for value in await super().score(prompts)]


def again(record: SearchRecord, judge: Judge, rules: list[str] = RULES, **kind: Any) -> SearchRecord:
    wanted = revaluing_task(record, PROBLEM, "other", rules)
    policy = Writer()
    found = run(wanted, engines(policy, judge, **kind))
    assert policy.calls == []
    return found


def searched(
    method: str, settings: Method, judge: Judge | None = None, budget: int | None = None
) -> SearchRecord:
    return run(task(method, settings, seed=5, budget=budget), engines(Writer(), judge or Judge()))


@pytest.mark.parametrize(
    ("method", "settings", "budget"),
    [
        ("best-of-n", BestOfN(samples=8, early_stop=False, read_by=RULES), None),
        ("self-consistency", SelfConsistency(samples=8), None),
        ("self-consistency", SelfConsistency(), 100),
        ("step-completions", StepCompletions(traces=2, completions=2), None),
    ],
)
def test_traces_stay_and_values_are_those_of_the_other_model(
    method: str, settings: Method, budget: int | None
) -> None:
    record = searched(method, settings, budget=budget)
    found = again(record, Turned())
    before, after = fold(record.events), fold(found.events)
    assert [(node.step, node.samples, node.answer) for node in after.nodes] == [
        (node.step, node.samples, node.answer) for node in before.nodes
    ]
    assert after.traces == before.traces
    assert found.result.cost.policy == record.result.cost.policy == after.cost.policy
    assert (found.header.id, found.header.seed) == ("other/0", record.header.seed)
    assert (found.result.reason, found.header.answer_by) == (record.result.reason, "value-vote")
    with_values = searched(method, settings.model_copy(update={"read_by": RULES}), Turned(), budget)
    assert [node.score for node in after.nodes] == [node.score for node in fold(with_values.events).nodes]


def test_a_search_with_other_values_is_the_search_that_would_have_been_made() -> None:
    settings = BestOfN(samples=8, early_stop=False, answer_by="value-vote", read_by=RULES)
    first, second = (searched("best-of-n", settings, judge) for judge in (Judge(), Turned()))
    found = again(first, Turned())
    assert found.events == second.events
    assert found.result == replace(second.result, seconds=found.result.seconds)
    assert first.events != second.events


def test_it_can_be_cut_at_a_smaller_budget() -> None:
    settings = SelfConsistency(samples=8)
    record = searched("self-consistency", settings)
    found = again(record, Judge())
    costs = [cut.cost.policy for cut in answers_at(found, [20, 40, None])["value-vote"]]
    assert costs == [cut.cost.policy for cut in answers_at(record, [20, 40, None])["majority"]]
    assert costs[0] < costs[1] < costs[2]


def test_only_the_last_steps_are_valued_where_only_they_are_read() -> None:
    record = searched("self-consistency", SelfConsistency(samples=4))
    found = again(record, Judge(), ["value-vote"])
    valued = [event for event in found.events if isinstance(event, Valued)]
    assert all(len(event.nodes) == 1 for event in valued)


@pytest.mark.parametrize(
    ("method", "settings"),
    [("mcts", Mcts(rounds=3)), ("best-of-n", BestOfN(samples=5, end_gate=0.0))],
)
def test_a_guided_search_is_refused(method: str, settings: Method) -> None:
    record = searched(method, settings)
    with pytest.raises(InputError, match=f"by '{method}' that was guided by values cannot be valued again"):
        revaluing_task(record, PROBLEM, "other", RULES)


def test_a_failed_search_stays_a_failed_one() -> None:
    record = searched("self-consistency", SelfConsistency(samples=2))
    stopped = Stopped("failed", message="out of ink")
    failed = replace(record, events=(stopped,), result=replace(record.result, reason="failed"))
    found = again(failed, Judge())
    assert found.result.reason == "failed"
    assert found.events[-1] == stopped


def test_values_of_the_new_model_are_aggregated_as_is_wished() -> None:
    record = searched("self-consistency", SelfConsistency(samples=3))
    plain, product = (fold(again(record, Judge(), aggregation=kind).events) for kind in ("last", "product"))
    for node in plain.nodes[1:]:
        scores = [member.score for member in plain.path(node.id)]
        value = 1.0
        for score in scores:
            assert score is not None
            value *= score
        assert product.nodes[node.id].score == pytest.approx(value, abs=1e-6)


def test_what_the_new_model_reads_is_paid_for() -> None:
    judge = Turned()
    found = again(searched("self-consistency", SelfConsistency(samples=3)), judge)
    assert found.result.cost.value == sum(map(len, judge.scored)) > 0
