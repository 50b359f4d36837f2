"""Hard limits besides the token budget: no search takes more than them, on any axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Sampling
from restmcts.engines.prompted.critic import PromptedCritic
from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import AXES, Axis
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.registry import METHODS
from restmcts.search.running.caps import Caps
from restmcts.search.running.ledger import BudgetSpentError
from restmcts.search.running.task import SearchTask
from restmcts.search.settings import Limits
from store.events import Cost, SearchRecord, Verified
from store.tree import fold
from tests.search.search_engines import LIMITED, Gate, Judge, Writer, engines, run, run_many, task
from tests.search.test_search_prompted import Adviser, Grader

FLOPS = Axis(policy=7, critic=7, prompt=5, value=3)
SAMPLING = Sampling(temperature=0.7, step_tokens=8, trace_tokens=30)


def limited(wanted: SearchTask, **limits: Any) -> SearchTask:
    return replace(wanted, limits=Limits(**limits))


def within(record: SearchRecord, limits: Limits, budget: int | None) -> bool:
    cost = record.result.cost
    taken = {"value": cost.value, "calls": cost.calls, "flops": FLOPS.of(cost)}
    over = {name: taken[name] for name, limit in limits.given.items() if taken[name] > limit}
    return not over and (budget is None or cost.generated <= budget)


@given(
    method=st.sampled_from(sorted(METHODS)),
    value=st.none() | st.integers(1, 600),
    calls=st.none() | st.integers(1, 40),
    flops=st.none() | st.integers(1, 6000),
    budget=st.integers(1, 200),
    parallel=st.integers(1, 4),
    early=st.booleans(),
    prompted=st.booleans(),
    seed=st.integers(0, 2**48),
)
@settings(max_examples=200, deadline=None)
def test_no_method_ever_takes_more_than_a_limit(
    method: str,
    value: int | None,
    calls: int | None,
    flops: int | None,
    budget: int,
    parallel: int,
    early: bool,
    prompted: bool,
    seed: int,
) -> None:
    """What the models have counted themselves stays within the limits too, jobs in flight included."""
    wanted = METHODS[method].settings
    more: dict[str, Any] = {"parallel_rounds": parallel} if "parallel_rounds" in wanted.model_fields else {}
    policy, judge = Writer(context=200), Judge()
    critic = PromptedCritic(policy) if prompted else None
    used = engines(policy, judge, critic=critic, flops=FLOPS, sampling=SAMPLING)
    limits = Limits(value=value, calls=calls, flops=flops)
    asked = task(method, wanted(early_stop=early, **more), budget=budget, seed=seed)
    record = run(replace(asked, limits=limits), used)
    assert within(record, limits, budget)
    assert policy.generated == record.result.cost.generated
    assert sum(map(len, judge.scored)) == record.result.cost.value
    assert len(policy.calls) + judge.calls == record.result.cost.calls
    assert sum(len(call.prompt) for call in policy.calls) == record.result.cost.prompt
    assert fold(record.events).cost == record.result.cost


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_search_that_meets_a_limit_ends_with_its_budget(method: str) -> None:
    """One limit after the other ends the search, and no other reason is given."""
    wanted = task(method, LIMITED[method], budget=500, seed=4)
    whole = run(wanted, engines(flops=FLOPS))
    cost = whole.result.cost
    taken = {"value": cost.value, "calls": cost.calls, "flops": int(FLOPS.of(cost))}
    for axis, most in taken.items():
        if most > 1:
            record = run(limited(wanted, **{axis: most - 1}), engines(flops=FLOPS))
            assert record.result.reason in {"budget", "samples"}, axis
            assert within(record, Limits(**{axis: most - 1}), 500)


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_limit_that_is_not_met_changes_nothing_but_the_header(method: str, parallel: int) -> None:
    fields = type(LIMITED[method]).model_fields
    more = {"parallel_rounds": parallel} if "parallel_rounds" in fields else {}
    wanted = task(method, LIMITED[method].model_copy(update=more), budget=150, seed=9)
    plain = run(wanted, engines(flops=FLOPS))
    found = run(limited(wanted, calls=10**6, seconds=1e6), engines(flops=FLOPS))
    assert found.events == plain.events
    assert found.header.settings["limits"] == {"calls": 10**6, "seconds": 1e6}
    assert "limits" not in plain.header.settings


def test_searches_with_limits_depend_on_their_seeds_alone() -> None:
    tasks = [
        limited(
            task("mcts", Mcts(parallel_rounds=4), budget=200, seed=number, number=number), value=150 + number
        )
        for number in range(6)
    ]
    alone = run_many(tasks, engines(flops=FLOPS), 1)
    gate = Gate(3)
    shuffled = run_many(tasks, engines(Writer(gate=gate), Judge(gate=gate), flops=FLOPS), 6)
    assert alone == shuffled
    assert any(record.result.reason == "budget" for record in alone)


def test_calls_are_counted_one_by_one() -> None:
    """Four calls pay for a draw of all traces and the values of three of them."""
    wanted = task("best-of-n", BestOfN(samples=5, early_stop=False), budget=200)
    record = run(limited(wanted, calls=4), engines())
    assert record.result.cost.calls == 4
    assert sum(node.score is not None for node in fold(record.events).nodes) == 3
    assert record.result.reason == "budget"


def test_under_a_limit_of_value_tokens_no_trace_is_drawn_that_cannot_be_valued() -> None:
    record = run(limited(task("best-of-n", BestOfN(early_stop=False), budget=900), value=200), engines())
    tree = fold(record.events)
    finished = [node for node in tree.finished() if node.score is None]
    assert record.result.reason == "budget" and len(finished) <= 1
    free = run(limited(task("self-consistency", budget=300), value=1), engines())
    assert free.result.cost.value == 0 and free.result.cost.generated == 300


def test_flops_bound_the_tokens_of_a_request() -> None:
    """500 operations: 5 for each of the prompt's 4 tokens, and 7 for each of 68 tokens at most."""
    policy = Writer()
    wanted = task("self-consistency", SelfConsistency(samples=50), budget=900)
    record = run(limited(wanted, flops=500), engines(policy, flops=FLOPS))
    assert policy.calls[0].total_tokens == (500 - 5 * len(policy.calls[0].prompt)) // 7 == 68
    assert within(record, Limits(flops=500), 900) and record.result.reason == "budget"


def test_a_limit_that_is_too_small_for_anything() -> None:
    for method in METHODS:
        for limits in ({"calls": 1}, {"value": 1}, {"flops": 1}):
            record = run(limited(task(method, budget=60), **limits), engines(flops=FLOPS))
            assert within(record, Limits(**limits), 60)
            assert record.result.reason in {"budget", "samples", "answered"}


def test_time_is_looked_at_between_requests() -> None:
    times = iter(range(100))
    caps = Caps(Limits(seconds=3), engines(), clock=lambda: float(next(times)))
    caps.check_time()
    caps.check_time()
    with pytest.raises(BudgetSpentError):
        caps.check_time()
    assert caps.reached and not caps.exact


def test_a_search_without_time_makes_no_request() -> None:
    policy = Writer()
    record = run(limited(task("mcts", budget=60), seconds=1e-9), engines(policy))
    assert (record.result.reason, record.result.nodes, policy.calls) == ("budget", 1, [])


def test_what_a_language_model_grades_is_counted_in_calls() -> None:
    grader = Grader()
    record = run(limited(task("tot-bfs", budget=400), calls=9), engines(value=grader, critic=Adviser()))
    assert record.result.cost.calls <= 9 and record.result.reason == "budget"


@pytest.mark.parametrize(
    ("limits", "used", "reason"),
    [
        ({"flops": 5.0}, engines(), "size of a model is not known"),
        ({"flops": 5.0}, engines(value=Grader(), flops=FLOPS), "size of a model is not known"),
        ({"value": 5}, engines(value=Grader()), "a language model is asked for values"),
    ],
)
def test_what_is_not_known_before_a_request_cannot_be_limited(limits: Any, used: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        run(limited(task("mcts", budget=60), **limits), used)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("early", [True, False])
def test_the_ledger_equals_a_recount_of_the_stored_tree(method: str, early: bool) -> None:
    """Without a budget nothing is cut or dropped: every sampled token stands in the tree or in a rollout."""
    policy, judge = Writer(empty=0.0), Judge()
    chosen = LIMITED[method].model_copy(update={"early_stop": early})
    record = run(task(method, chosen, seed=5, oracle="1"), engines(policy, judge, drop_repeats=False))
    total = Cost()
    for event in record.events:
        total += event.cost
    assert total == record.result.cost == fold(record.events).cost
    assert total.policy == policy.generated
    assert total.prompt == sum(len(call.prompt) for call in policy.calls)
    assert total.value == sum(map(len, judge.scored))
    assert total.calls == len(policy.calls) + judge.calls
    assert not any(event.cost != Cost() for event in record.events if isinstance(event, Verified))
    if all(type(event).__name__ != "RolledOut" for event in record.events):
        tree = fold(record.events)
        sampled = sum(node.samples * len(node.step.tokens) for node in tree.nodes if node.step is not None)
        assert sampled == total.policy
    assert AXES["generated"].of(total) == total.generated
