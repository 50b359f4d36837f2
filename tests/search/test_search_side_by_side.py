"""Rounds that run side by side in one search: in lockstep, and with the same result whatever comes first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_engines import Gate, Judge, Writer, engines, run, run_many, task

from restmcts.engines.base import Sample, Sampling
from restmcts.search.driver import run_search
from restmcts.search.improved import select_starts
from restmcts.search.methods import METHODS
from restmcts.search.requests import Critique, Prefix, Proposals, Propose, Request, Value
from restmcts.search.settings import ImprovedMcts, Mcts, TreeOfThought
from restmcts.search.side_by_side import side_by_side
from restmcts.testing import scripted_search
from store.trace import BackedUp, Expanded, Selected
from store.tree import fold

Replies = Generator[Request, Any, Any]


def branch(name: str, *requests: Request) -> Replies:
    """Asks for ``requests`` in order; returns its name and the replies."""
    replies: list[Any] = []
    for request in requests:
        replies += [(yield request)]
    return name, replies


def propose(node: int, n: int = 1) -> Propose:
    return Propose(Prefix(node), n)


def value(*nodes: int) -> Value:
    return Value(tuple(map(Prefix, nodes)))


def play(moves: Replies, replies: dict[Request, Any]) -> tuple[list[Request], Any]:
    """What was asked for, and what the moves returned."""
    asked: list[Request] = []
    reply: Any = None
    while True:
        try:
            asked.append(moves.send(reply))
        except StopIteration as end:
            return asked, end.value
        reply = replies[asked[-1]]


def test_a_single_branch_asks_as_if_it_were_alone() -> None:
    asked, found = play(side_by_side([branch("a", propose(1), value(2))]), {propose(1): "p", value(2): "v"})
    assert asked == [propose(1), value(2)]
    assert found == [("a", ["p", "v"])]


def test_steps_are_asked_for_when_all_branches_wait_for_some() -> None:
    """b is behind by a critique; values come together, and so do steps."""
    first = branch("a", propose(1, 3), value(2, 3), propose(4))
    second = branch("b", propose(5), Critique(Prefix(6)), value(7), propose(8))
    both, later = Proposals((propose(1, 3), propose(5))), Proposals((propose(4), propose(8)))
    replies = {both: ["abc", "d"], Critique(Prefix(6)): "no", value(2, 3, 7): [1, 2, 3], later: ["e", "f"]}
    asked, found = play(side_by_side([first, second]), replies)
    assert asked == [both, Critique(Prefix(6)), value(2, 3, 7), later]
    assert found == [("a", ["abc", [1, 2], "e"]), ("b", ["d", "no", [3], "f"])]


def test_a_branch_without_budget_ends_and_the_others_go_on() -> None:
    both = Proposals((propose(1), propose(2)))
    asked, found = play(
        side_by_side([branch("a", propose(1), value(3)), branch("b", propose(2), value(4))]),
        {both: [None, "s"], value(4): [0.5]},
    )
    assert asked == [both, value(4)]
    assert found == [None, ("b", ["s", [0.5]])]


def test_branches_of_different_length() -> None:
    asked, found = play(
        side_by_side([branch("a"), branch("b", propose(1), propose(2))]),
        {Proposals((propose(1),)): ["x"], Proposals((propose(2),)): ["y"]},
    )
    assert len(asked) == 2
    assert found == [("a", []), ("b", ["x", "y"])]


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
    (both,) = [request for request in found.asked if isinstance(request, Proposals)]
    assert [request.prefix.node for request in both.requests] == chosen[1:]
    assert not any(isinstance(request, Proposals) for request in alone.asked)
    assert (found.visits(), found.visits("b"), found.visits("c")) == (3, 1, 1)


WIDE = {
    "mcts": Mcts(rounds=14, leaves=3, early_stop=False, rollout_steps=1),
    "mcts-improved": ImprovedMcts(rounds=14, leaves=3, early_stop=False),
    "tot-bfs": TreeOfThought(depth=5, repeat=False, early_stop=False, keep=3),
}


@pytest.mark.parametrize("method", WIDE)
@pytest.mark.parametrize("budget", [None, 60, 150])
def test_a_record_depends_on_its_seed_alone(method: str, budget: int | None) -> None:
    tasks = [
        task(method, WIDE[method], budget=budget, seed=number % 5, number=number) for number in range(20)
    ]
    alone = run_many(tasks, engines(Writer(depth=6)), 1)
    for seed in range(4):
        gate = Gate(seed)
        used = engines(Writer(depth=6, gate=gate), Judge(gate=gate))
        assert run_many(tasks, used, 7) == alone


@pytest.mark.parametrize("method", WIDE)
def test_requests_of_one_search_are_under_way_together(method: str) -> None:
    running, most = 0, 0

    class Counted(Writer):
        async def propose(self, *args: Any, **more: Any) -> list[Sample]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            samples = await super().propose(*args, **more)
            running -= 1
            return samples

    run(task(method, WIDE[method]), engines(Counted(gate=Gate(1), depth=6)))
    assert most == 3


@pytest.mark.parametrize("method", WIDE)
def test_nothing_is_scored_twice_and_costs_add_up(method: str) -> None:
    policy, judge = Writer(variety=2, depth=6), Judge()
    record = run(task(method, WIDE[method]), engines(policy, judge))
    assert max(Counter(judge.scored).values()) == 1
    assert record.result.cost.policy == policy.generated
    assert record.result.cost.value == sum(map(len, judge.scored))
    seeds = [seed for call in policy.calls for seed in call.seeds]
    assert len(seeds) == len(set(seeds))


def test_a_failure_ends_the_requests_beside_it() -> None:
    policy = Writer(fail_at=8, gate=Gate(3), depth=9)
    record = run(task("mcts", Mcts(rounds=20, leaves=4, early_stop=False)), engines(policy))
    assert record.result.reason == "failed"
    assert record.result.cost.policy == policy.generated


def test_a_failure_does_not_wait_for_the_requests_beside_it() -> None:
    class Stuck(Writer):
        """Fails in the first request that has others beside it, which are never answered."""

        async def propose(self, *args: Any, **more: Any) -> list[Sample]:
            if len(self.calls) < 2:
                return await super().propose(*args, **more)
            if self.fail_at is None:
                self.fail_at = 1
                return await super().propose(*args, **more)
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
    starts = select_starts(found.tree, ImprovedMcts(), Random(0), set(), 2)
    assert starts[0].id == 0
    assert starts[1].id != 0


def test_requests_side_by_side_share_what_is_left_of_the_budget() -> None:
    """Steps of 4 tokens. A round takes 3 + 1 of them; then two rounds share 84 tokens as 42 and 42."""

    class Even(Writer):
        def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
            sample = super().write(prompt, seed, 99, until, temperature)
            step = sample.steps[0]
            return Sample((type(step)(f"{seed}\n", (1, 2, seed % 99, 9), -0.5),), 4, False)

    policy = Even()
    chosen = Mcts(rounds=0, leaves=2, rollout_steps=1, early_stop=False)
    run(task("mcts", chosen, budget=100), engines(policy, sampling=Sampling(step_tokens=8)))
    asked = [(len(call.seeds), call.together) for call in policy.calls]
    assert asked[:6] == [(3, 100), (1, 88), (3, 42), (3, 42), (1, 30), (1, 30)]
    assert policy.generated == 100


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
    assert selected == expanded
    assert len(selected) > 6


def test_equal_seeds_break_ties_alike() -> None:
    world: dict[str, Any] = {"propose": lambda path: "ab"[len(path) % 2] * 2, "value": lambda path: 0.5}
    how = Mcts(rounds=12, leaves=3, early_stop=False)
    first, second = (scripted_search("mcts", how, seed=4, **world) for _ in range(2))
    assert first.events == second.events
