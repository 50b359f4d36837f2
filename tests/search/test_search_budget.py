"""The token budget: a hard limit on generated tokens, the same for every method."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Sample, Sampling, SamplingRequest
from restmcts.search.methods.mcts import Mcts
from restmcts.search.moves import Moves
from restmcts.search.registry import METHODS
from restmcts.search.requests import Complete, Prefix, Propose, ProposeEach
from restmcts.search.running.ledger import BudgetSpentError, Ledger, Lengths
from restmcts.search.running.session import Session
from store.events import Expanded, Step, Stopped
from store.tree import fold
from tests.search.search_engines import Writer, engines, run, task


@given(
    method=st.sampled_from(sorted(METHODS)),
    budget=st.integers(1, 300),
    depth=st.integers(1, 6),
    empty=st.sampled_from([0.0, 0.3, 1.0]),
    early=st.booleans(),
    parallel=st.integers(1, 4),
    greedy=st.booleans(),
    stop=st.none() | st.floats(0.5, 0.99),
    seed=st.integers(0, 2**48),
    lengths=st.tuples(st.integers(1, 9), st.integers(1, 40)),
)
@settings(max_examples=150, deadline=None)
def test_no_method_ever_overspends(
    method: str,
    budget: int,
    depth: int,
    empty: float,
    early: bool,
    parallel: int,
    greedy: bool,
    stop: float | None,
    seed: int,
    lengths: tuple[int, int],
) -> None:
    wanted = METHODS[method].settings
    chosen_settings = {"parallel_rounds": parallel, "greedy_first": greedy, "stop_confidence": stop}
    more: dict[str, Any] = {key: chosen_settings[key] for key in chosen_settings.keys() & wanted.model_fields}
    chosen = wanted(early_stop=early, **more)
    policy = Writer(depth=depth, empty=empty)
    sampling = Sampling(step_tokens=lengths[0], trace_tokens=lengths[1])
    record = run(task(method, chosen, budget=budget, seed=seed), engines(policy, sampling=sampling))
    assert policy.generated <= budget
    assert record.result.cost.policy == policy.generated
    assert sum(event.cost.policy for event in record.events) == policy.generated
    if record.result.reason == "budget":
        # Samples that share what is left are cut when it is less than a token for each.
        assert budget - policy.generated < max(len(call.seeds) for call in policy.calls) * parallel


def test_what_the_budget_cut_short_is_paid_for_and_dropped() -> None:
    """Steps of 4 tokens, budget 10: two steps fit, the third is cut after 2 tokens; the two are kept."""

    class Even(Writer):
        def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
            return Sample((Step(f"{seed}\n", (1, 2, 3, 9)),), 4, False)

    policy = Even()
    sampling = Sampling(step_tokens=4)
    record = run(task("mcts", Mcts(branch=3), budget=10), engines(policy, sampling=sampling))
    asked = [(len(call.seeds), call.max_tokens, call.total_tokens) for call in policy.calls]
    assert asked == [(2, 4, 10), (1, 4, 2)]
    tree = fold(record.events)
    assert len(tree.nodes) == 3
    assert all(node.score is not None for node in tree.nodes[1:])
    (expanded,) = (event for event in record.events if isinstance(event, Expanded))
    assert expanded.cost.policy == 8
    assert isinstance(record.events[-1], Stopped) and record.events[-1].cost.policy == 2
    assert (record.result.reason, record.result.cost.policy) == ("budget", 10)


def test_a_budget_that_is_too_small_for_anything() -> None:
    for method in METHODS:
        record = run(task(method, budget=1), engines(Writer()))
        assert (record.result.reason, record.result.nodes, record.result.answer) == ("budget", 1, None)
        assert record.result.cost.policy == 1


@given(
    budget=st.none() | st.integers(0, 200),
    samples=st.integers(1, 50),
    longest=st.integers(1, 40),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=100, deadline=None)
def test_grants_are_what_the_rest_of_the_budget_is_likely_to_pay_for(
    budget: int | None, samples: int, longest: int, random: Any
) -> None:
    ledger = Ledger(budget)
    granted = 0
    for part, most in ledger.grants(samples, "step", longest):
        left = ledger.left
        assert most == left
        assert left is None or 1 <= part <= left
        if left is not None and part > 1:
            lengths = ledger.lengths.get("step")
            mean = lengths.tokens / lengths.number if lengths else longest
            assert part * min(longest, 1.25 * mean) <= left + 1e-9
        granted += part
        drawn = [random.randint(1, longest) for _ in range(part)]
        for tokens in drawn:
            ledger.count("step", tokens)
        ledger.spent += sum(drawn) if left is None else min(left, sum(drawn))
    assert granted == samples or ledger.exhausted
    assert granted <= samples


def test_grants_without_a_budget_are_one_part() -> None:
    assert list(Ledger().grants(5, "step", 30)) == [(5, None)]


def test_what_is_set_aside_for_a_sample() -> None:
    ledger = Ledger()
    assert ledger.likely("step", 30) == 30
    for tokens in (8, 4, 12):
        ledger.count("step", tokens)
    assert ledger.likely("step", 30) == 10
    assert ledger.likely("step", 9) == 9
    assert ledger.likely("end", 9) == 9
    assert Lengths(3, 0).likely(9) == 1


@pytest.mark.parametrize(
    ("budget", "spent", "left", "exhausted"),
    [(None, 9, None, False), (5, 3, 2, False), (5, 5, 0, True), (5, 7, 0, True)],
)
def test_what_is_left(budget: int | None, spent: int, left: int | None, exhausted: bool) -> None:
    ledger = Ledger(budget, spent)
    assert (ledger.left, ledger.exhausted) == (left, exhausted)


def test_what_is_set_aside_is_not_left_until_it_comes_back() -> None:
    """Of 100, 10 are spent and 40 set aside; the job takes 25 of those."""
    ledger = Ledger(100, 10)
    ledger.count("step", 6)
    lent = ledger.lend(40)
    assert (ledger.left, lent.left) == (50, 40)
    lent.spent += 25
    lent.count("step", 25)
    ledger.take_back(lent)
    assert (ledger.spent, ledger.set_aside, ledger.left) == (35, 0, 65)
    assert ledger.lengths == {"step": Lengths(2, 31)}


def test_what_is_set_aside_without_a_limit_has_none() -> None:
    ledger = Ledger()
    lent = ledger.lend(None)
    lent.spent += 7
    ledger.take_back(lent)
    assert (ledger.spent, ledger.set_aside, ledger.left, lent.left) == (7, 0, None, None)


def test_what_a_job_probably_takes() -> None:
    ledger = Ledger(500)
    assert ledger.job_tokens(4, 64, prompted=False) == 256
    assert ledger.job_tokens(4, 64, prompted=True) == 500
    ledger.count("step", 20)
    assert ledger.job_tokens(4, 64, prompted=False) == 100
    for tokens in (90, 110):
        ledger.count("job", tokens)
    for prompted in (False, True):
        assert ledger.job_tokens(4, 64, prompted=prompted) == 115


def test_jobs_that_took_nothing_are_followed_by_one_that_can_sample() -> None:
    ledger = Ledger(500)
    ledger.count("job", 0)
    assert ledger.job_tokens(4, 64, prompted=False) == 64


def test_a_job_gets_what_it_probably_takes_or_all_that_is_left() -> None:
    ledger = Ledger(100)
    first, second = ledger.lend_to_job(40, alone=True), ledger.lend_to_job(40, alone=False)
    assert first is not None and second is not None
    assert (first.budget, second.budget, ledger.left) == (40, 60, 0)
    assert ledger.lend_to_job(1, alone=False) is None
    with pytest.raises(BudgetSpentError):
        ledger.lend_to_job(1, alone=True)
    ledger.take_back(first)
    assert ledger.lend_to_job(50, alone=False) is None
    whole = ledger.lend_to_job(50, alone=True)
    assert whole is not None and whole.budget == 40
    unlimited = Ledger().lend_to_job(50, alone=False)
    assert unlimited is not None and unlimited.budget is None


def test_requests_at_the_same_time_divide_what_is_left() -> None:
    """Steps of 8 are likely to take 10: six of them fit 65 tokens, so the first two requests of three."""
    ledger = Ledger(65)
    ledger.count("step", 8)
    assert ledger.shares([3, 3, 3], "step", 30) == [32, 32]
    assert ledger.shares([2, 4, 1], "step", 30) == [21, 43]
    assert ledger.shares([9, 1], "step", 30) == [65]
    assert Ledger().shares([3, 3], "step", 30) == [None, None]
    assert Ledger(0).shares([3, 3], "step", 30) == [0]


def test_proposals_at_the_same_time_are_paid_for_in_order() -> None:
    """Steps of 4 tokens, 8 at most, and 20 tokens for three requests of two: the third gets what is left."""

    class Even(Writer):
        def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
            return Sample((Step(f"{seed}\n", (1, 2, 3, 9)),), 4, False)

    policy = Even()
    session = Session(task("tot-bfs", budget=20), engines(policy, sampling=Sampling(step_tokens=8)))

    def moves() -> Moves:
        return (yield ProposeEach((Propose(Prefix(0), 2),) * 3))

    replies = asyncio.run(session.drive(moves()))
    assert [len(steps) for steps in replies] == [2, 2, 1]
    assert [(len(call.seeds), call.total_tokens) for call in policy.calls] == [(2, 20), (2, 12), (1, 4)]
    assert (policy.generated, session.ledger.spent, session.ledger.left) == (20, 20, 0)


@pytest.mark.parametrize(
    ("temperature", "top_p", "used"),
    [(None, None, (0.7, 0.9)), (0.0, None, (0.0, 0.9)), (1.5, 0.5, (1.5, 0.5))],
)
def test_a_request_may_have_a_temperature_and_a_top_p(
    temperature: float | None, top_p: float | None, used: tuple[float, float]
) -> None:
    seen: list[tuple[float, float]] = []

    class Watched(Writer):
        async def propose(self, request: SamplingRequest) -> list[Sample]:
            seen.append((request.temperature, request.top_p))
            return await super().propose(request)

    def moves() -> Moves:
        yield Propose(Prefix(0), 1, temperature=temperature, top_p=top_p)
        yield Complete(Prefix(0), 1, temperature=temperature, top_p=top_p)

    sampling = Sampling(temperature=0.7, top_p=0.9)
    session = Session(task("tot-bfs", budget=900), engines(Watched(), sampling=sampling))
    asyncio.run(session.drive(moves()))
    assert seen == [used, used]
