"""The token budget: a hard limit on generated tokens, the same for every method."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_engines import Writer, engines, run, task

from restmcts.engines.base import Sample, Sampling
from restmcts.search.ledger import Ledger
from restmcts.search.methods import METHODS
from restmcts.search.settings import Mcts
from store.trace import Expanded, Step, Stopped
from store.tree import fold


@given(
    method=st.sampled_from(sorted(METHODS)),
    budget=st.integers(1, 300),
    depth=st.integers(1, 6),
    empty=st.sampled_from([0.0, 0.3, 1.0]),
    early=st.booleans(),
    seed=st.integers(0, 2**48),
    lengths=st.tuples(st.integers(1, 9), st.integers(1, 40)),
)
@settings(max_examples=150, deadline=None)
def test_no_method_ever_overspends(
    method: str, budget: int, depth: int, empty: float, early: bool, seed: int, lengths: tuple[int, int]
) -> None:
    chosen = METHODS[method].settings(early_stop=early)
    policy = Writer(depth=depth, empty=empty)
    sampling = Sampling(step_tokens=lengths[0], trace_tokens=lengths[1])
    record = run(task(method, chosen, budget=budget, seed=seed), engines(policy, sampling=sampling))
    assert policy.generated <= budget
    assert record.result.cost.policy == policy.generated
    assert sum(event.cost.policy for event in record.events) == policy.generated
    if record.result.reason == "budget":
        assert policy.generated == budget


def test_what_the_budget_cut_short_is_paid_for_and_dropped() -> None:
    """Steps of 4 tokens, budget 10: two steps fit, the third is cut after 2 tokens; the two are kept."""

    class Even(Writer):
        def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
            if most < 4:
                return Sample((Step("cut"),), most, True)
            return Sample((Step(f"{seed}\n", (1, 2, 3, 9)),), 4, False)

    policy = Even()
    sampling = Sampling(step_tokens=4)
    record = run(task("mcts", Mcts(branch=3), budget=10), engines(policy, sampling=sampling))
    assert [(len(call.seeds), call.max_tokens) for call in policy.calls] == [(2, 4), (1, 2)]
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
def test_grants_never_promise_more_than_is_left(
    budget: int | None, samples: int, longest: int, random: Any
) -> None:
    ledger = Ledger(budget)
    granted = 0
    for part, tokens in ledger.grants(samples, longest):
        assert part >= 1 and 1 <= tokens <= longest
        assert ledger.left is None or part * tokens <= ledger.left
        granted += part
        ledger.spent += sum(random.randint(1, tokens) for _ in range(part))
    assert granted == samples or ledger.exhausted
    assert granted <= samples


def test_grants_without_a_budget_are_one_part() -> None:
    assert list(Ledger().grants(5, 30)) == [(5, 30)]


@pytest.mark.parametrize(
    ("budget", "spent", "left", "exhausted"),
    [(None, 9, None, False), (5, 3, 2, False), (5, 5, 0, True), (5, 7, 0, True)],
)
def test_what_is_left(budget: int | None, spent: int, left: int | None, exhausted: bool) -> None:
    ledger = Ledger(budget, spent)
    assert (ledger.left, ledger.exhausted) == (left, exhausted)
