"""Rounds that run side by side in one search: with the same result, whatever an engine answers first."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Sample, Sampling, SamplingRequest
from restmcts.search.methods import mcts
from restmcts.search.methods import mcts_improved as improved
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.mcts_improved import Coming, ImprovedMcts, select
from restmcts.search.methods.tree_of_thought import TreeOfThought
from restmcts.search.registry import METHODS
from restmcts.search.requests import Begin
from restmcts.search.running.driver import run_search
from restmcts.search.testing import scripted_search
from store.events import BackedUp, Expanded, RolledOut, Selected
from store.tree import fold
from tests.search.search_engines import Gate, Judge, Writer, engines, run, run_many, task


def test_rounds_of_mcts_side_by_side_start_from_different_leaves() -> None:
    """c 0, bonus 1: round 1 looks ahead from a; rounds 2 and 3 take b and c, the unvisited ones, together.

    Alone, round 3 would see that b came out at 1.0 and go below it.
    """
    world: dict[str, Any] = {
        "propose": {
            (): ["a", "b", "c"], ("a",): ["x"], ("b",): ["y"] * 3, ("b", "y"): ["v"] * 3, ("c",): ["z"] * 3,
        },
        "value": {
            ("a",): 0.75, ("b",): 0.5, ("c",): 0.25, ("a", "x"): 0.75, ("b", "y"): 1.0, ("c", "z"): 0.25,
            ("b", "y", "v"): 1.0,
        },
    }  # fmt: skip
    how = Mcts(rounds=3, rollout_steps=0, exploration=0, early_stop=False, unvisited_bonus=1)
    alone = scripted_search("mcts", how, **world)
    found = scripted_search("mcts", how.model_copy(update={"leaves": 2}), **world)
    chosen = [event.node for event in found.events if isinstance(event, Selected)]
    assert [found.tree.nodes[node].step for node in chosen[1:]] == [
        found.node("b").step,
        found.node("c").step,
    ]
    begun = [request.node for request in found.asked if isinstance(request, Begin)]
    assert begun == chosen
    assert not any(isinstance(request, Begin) for request in alone.asked)
    assert (found.visits(), found.visits("b"), found.visits("c")) == (3, 1, 1)


@pytest.mark.parametrize("module", [mcts, improved])
def test_what_was_under_way_no_longer_counts_when_it_has_ended(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    class Seen(module.Rounds):  # type: ignore[misc, name-defined]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            begun.append(self)

    monkeypatch.setattr(module, "Rounds", Seen)
    method = "mcts" if module is mcts else "mcts-improved"
    run(task(method, WIDE[method]), engines(Writer(depth=6)))
    (rounds,) = begun
    coming = [rounds.coming] if module is mcts else [rounds.coming.visits, rounds.coming.children]
    assert all(sum(counts.values()) == 0 and len(counts) > 0 for counts in coming)
    assert not rounds.under_way


WIDE = {
    "mcts": Mcts(rounds=14, leaves=3, early_stop=False, rollout_steps=1),
    "mcts with kept rollouts": Mcts(
        rounds=14, leaves=3, early_stop=False, keep_rollouts=True, close_finished=True, rollout_branch=2
    ),
    "mcts-improved": ImprovedMcts(rounds=14, leaves=3, early_stop=False),
    "tot-bfs": TreeOfThought(depth=5, repeat=False, early_stop=False, keep=3),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("budget", [None, 60, 150])
@pytest.mark.parametrize("early_stop", [False, True])
def test_a_record_depends_on_its_seed_alone(name: str, budget: int | None, early_stop: bool) -> None:
    method = name.partition(" ")[0]
    chosen = WIDE[name].model_copy(update={"early_stop": early_stop})
    tasks = [task(method, chosen, budget=budget, seed=number % 5, number=number) for number in range(20)]
    alone = run_many(tasks, engines(Writer(depth=6)), 1)
    for seed in range(4):
        gate = Gate(seed)
        used = engines(Writer(depth=6, gate=gate), Judge(gate=gate))
        assert run_many(tasks, used, 7) == alone


@pytest.mark.parametrize("method", ["mcts", "mcts-improved"])
def test_a_search_that_stops_early_has_all_that_was_begun(method: str) -> None:
    chosen = METHODS[method].settings(leaves=4, rounds=40, gate="value", end_gate=0.6)
    reasons = set()
    for seed in range(9):
        policy, judge = Writer(depth=3, gate=Gate(seed)), Judge()
        record = run(task(method, chosen, seed=seed), engines(policy, judge))
        reasons.add(record.result.reason)
        assert record.result.cost.policy == policy.generated
        assert record.result.cost.value == sum(map(len, judge.scored))
    assert "gate" in reasons


@pytest.mark.parametrize("name", WIDE)
def test_requests_of_one_search_are_under_way_together(name: str) -> None:
    running, most = 0, 0

    class Counted(Writer):
        async def propose(self, request: SamplingRequest) -> list[Sample]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            samples = await super().propose(request)
            running -= 1
            return samples

    run(task(name.partition(" ")[0], WIDE[name]), engines(Counted(gate=Gate(1), depth=6)))
    assert most == 3


@pytest.mark.parametrize("name", WIDE)
def test_costs_add_up(name: str) -> None:
    policy, judge = Writer(variety=2, depth=6), Judge()
    record = run(task(name.partition(" ")[0], WIDE[name]), engines(policy, judge))
    assert record.result.cost.policy == policy.generated
    assert record.result.cost.value == sum(map(len, judge.scored))
    seeds = [seed for call in policy.calls for seed in call.seeds]
    assert len(seeds) == len(set(seeds))
    # Walks of the improved search can sample the same step at the same time.
    assert name == "mcts-improved" or max(Counter(judge.scored).values()) == 1


def test_a_failure_ends_the_requests_beside_it() -> None:
    policy = Writer(fail_at=8, gate=Gate(3), depth=9)
    record = run(task("mcts", Mcts(rounds=20, leaves=4, early_stop=False)), engines(policy))
    assert record.result.reason == "failed"
    assert record.result.cost.policy == policy.generated


def test_a_failure_does_not_wait_for_the_requests_beside_it() -> None:
    class Stuck(Writer):
        """Fails in the first request that has others beside it, which are never answered."""

        async def propose(self, request: SamplingRequest) -> list[Sample]:
            if len(self.calls) < 2:
                return await super().propose(request)
            if self.fail_at is None:
                self.fail_at = 1
                return await super().propose(request)
            return await asyncio.Event().wait()  # type: ignore[return-value]

    async def search() -> str:
        chosen = Mcts(rounds=9, leaves=2, rollout_steps=1, early_stop=False)
        found = await asyncio.wait_for(run_search(task("mcts", chosen), engines(Stuck(depth=9))), 20)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return found.result.reason

    assert asyncio.run(search()) == "failed"


def test_walks_side_by_side_count_as_children_where_they_start() -> None:
    """The root has one child and two visits: room for one more. The second walk goes below."""
    found = scripted_search(
        "mcts-improved",
        ImprovedMcts(rounds=2, early_stop=False),
        propose={(): ["a"], ("a",): ["x", "y"]},
        value={("a",): 0.5, ("a", "x"): 0.5, ("a", "y"): 0.5},
        finished={("a", "x"), ("a", "y")},
    )
    assert (found.visits(), len(found.tree.root.children)) == (2, 1)
    coming = Coming()
    starts = []
    for _ in range(2):
        starts.append(select(found.tree, ImprovedMcts(), Random(0), set(), coming).id)
        coming.children[starts[-1]] += 1
        coming.visits[0] += 1
    assert starts[0] == 0
    assert starts[1] != 0


class Even(Writer):
    """All steps have 4 tokens."""

    def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
        sample = super().write(prompt, seed, 99, until, temperature)
        step = sample.steps[0]
        return Sample((type(step)(f"{seed}\n", (1, 2, seed % 99, 9), -0.5),), 4, False)


def asked(policy: Writer) -> list[tuple[int, int | None]]:
    """How many samples were asked for at once, and what was left for them, in order."""
    return [(len(call.seeds), call.total_tokens) for call in policy.calls]


def test_rounds_side_by_side_share_the_budget() -> None:
    """A round takes 3 + 1 steps of 4 tokens, 8 at most. Two share 100 tokens.

    The first gets the half. Its expansion shows that steps have 4: 5 are set aside for one. After it, 8 are
    enough for its rollout, and the next round may take the 80 that are left. That one keeps 8 after its
    expansion, and 100 - 16 - 12 - 8 are left for the third when the first has ended.
    """
    policy = Even()
    chosen = Mcts(rounds=0, leaves=2, rollout_steps=1, early_stop=False)
    run(task("mcts", chosen, budget=100), engines(policy, sampling=Sampling(step_tokens=8)))
    assert asked(policy)[:5] == [(3, 50), (1, 8), (3, 80), (1, 8), (3, 64)]
    assert policy.generated == 100


def test_a_round_waits_for_more_of_the_budget_where_its_share_is_too_small() -> None:
    """Four rounds of 3 + 1 + 1 steps of 4 tokens share 60. The first gets 24 and uses 20: nothing is known.

    As a step is likely to take 5, and 8 at most, three get 18 then: two more rounds. After 3 + 1 steps those
    have 2 left and wait for 8. When the first has given 4 back, nothing else goes on: the second gets these,
    uses 4 of its 6, and the third gets the last 2.
    """
    policy = Even()
    chosen = Mcts(rounds=0, leaves=4, rollout_steps=2, early_stop=False)
    record = run(task("mcts", chosen, budget=60), engines(policy, sampling=Sampling(step_tokens=8)))
    first, others = [(3, 24), (1, 12), (1, 8)], [(3, 18), (1, 6), (1, 6), (3, 18), (1, 6), (1, 4)]
    assert Counter(asked(policy)) == Counter(first + others)
    assert (policy.generated, record.result.cost.policy) == (60, 60)
    assert sum(isinstance(event, RolledOut) for event in record.events) == 3


def test_what_takes_fewer_tokens_joins_first_however_long_an_engine_takes() -> None:
    """Expansions of a beam, answered in any order, join in the order of their longest samples."""
    chosen = TreeOfThought(branch=2, keep=2, depth=2, repeat=False, early_stop=False)
    overtaken = 0
    for seed in range(12):
        gate = Gate(seed)
        record = run(task("tot-bfs", chosen, seed=seed), engines(Writer(gate=gate), Judge(gate=gate)))
        beam = [event.node for event in record.events if isinstance(event, Selected)][1:]
        joined = [event for event in record.events if isinstance(event, Expanded)][1:]
        longest = [max(len(step.tokens) for step in event.steps) for event in joined]
        assert longest == sorted(longest)
        overtaken += beam != [event.node for event in joined]
    assert overtaken


@given(
    method=st.sampled_from(["mcts", "mcts-improved"]),
    leaves=st.integers(1, 5),
    rounds=st.integers(1, 25),
    depth=st.integers(1, 6),
    variety=st.integers(1, 4),
    empty=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=100, deadline=None)
def test_every_round_is_selected_and_backed_up_once(
    method: str, leaves: int, rounds: int, depth: int, variety: int, empty: float, seed: int
) -> None:
    chosen = METHODS[method].settings(leaves=leaves, rounds=rounds, early_stop=False)
    record = run(task(method, chosen, seed=seed), engines(Writer(depth, variety, empty)))
    rounds_begun = sum(isinstance(event, Selected) for event in record.events)
    backups = sum(isinstance(event, BackedUp) for event in record.events)
    assert rounds_begun <= rounds
    assert rounds_begun == rounds or record.result.reason == "exhausted"
    tree = fold(record.events)
    assert tree.root.visits == backups
    # Walks of the improved search that end at one node are one visit.
    assert backups == rounds_begun if method == "mcts" else backups <= rounds_begun
    for node in tree.nodes:
        texts = [child.step.text for child in tree.children(node.id) if child.step]
        assert len(texts) == len(set(texts))
        assert node.visits <= backups + 1


def test_breadth_first_search_expands_its_beam_at_once_in_the_order_of_values() -> None:
    record = run(task("tot-bfs", WIDE["tot-bfs"]), engines(Writer(depth=6)))
    selected = [event.node for event in record.events if isinstance(event, Selected)]
    expanded = [event.node for event in record.events if isinstance(event, Expanded)]
    assert sorted(selected) == sorted(expanded)
    assert len(selected) > 6
    tree = fold(record.events)
    for depth in range(1, 5):
        values = [tree.nodes[node].value for node in selected if tree.nodes[node].depth == depth]
        assert values == sorted(values, reverse=True)


def test_equal_seeds_break_ties_alike() -> None:
    world: dict[str, Any] = {"propose": lambda path: "ab"[len(path) % 2] * 2, "value": lambda path: 0.5}
    how = Mcts(rounds=12, leaves=3, early_stop=False)
    first, second = (scripted_search("mcts", how, seed=4, **world) for _ in range(2))
    assert first.events == second.events
