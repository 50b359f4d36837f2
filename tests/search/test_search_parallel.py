"""Rounds that run in parallel in one search: their result does not depend on the order of engine replies."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Sample, Sampling, SamplingRequest
from restmcts.search.methods import mcts
from restmcts.search.methods import mcts_improved as improved
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.mcts_improved import ImprovedMcts, select
from restmcts.search.methods.tree_of_thought import TreeOfThought
from restmcts.search.moves import Moves, Outcome, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.registry import METHODS
from restmcts.search.requests import Join, Prefix, Start
from restmcts.search.rounds import Rounds
from restmcts.search.running.driver import run_search
from restmcts.search.testing import scripted_search
from store.events import BackedUp, Expanded, SearchRecord, Selected
from store.selection import candidates
from store.tree import Node, Tree, fold
from tests.search.search_engines import Gate, Judge, Writer, engines, run, run_many, task

SETTINGS: dict[str, type[Mcts] | type[ImprovedMcts]] = {"mcts": Mcts, "mcts-improved": ImprovedMcts}


def test_parallel_rounds_of_mcts_start_from_different_leaves() -> None:
    """c 0, bonus 1: round 1 looks ahead from a; rounds 2 and 3 take b and c, the unvisited ones, in parallel.

    One after the other, round 3 would see that b came out at 1.0 and go below it.
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
    found = scripted_search("mcts", how.model_copy(update={"parallel_rounds": 2}), **world)
    chosen = [event.node for event in found.events if isinstance(event, Selected)]
    assert [found.tree.nodes[node].step for node in chosen[1:]] == [
        found.node("b").step,
        found.node("c").step,
    ]
    begun = [request.node for request in found.asked if isinstance(request, Start)]
    assert begun == chosen
    assert not any(isinstance(request, Start) for request in alone.asked)
    assert (found.visits(), found.visits("b"), found.visits("c")) == (3, 1, 1)


@pytest.mark.parametrize("module", [mcts, improved])
def test_visits_of_a_round_that_has_ended_are_not_pending(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Rounds] = []

    class Seen(Rounds):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(module, "Rounds", Seen)
    method = "mcts" if module is mcts else "mcts-improved"
    record = run(task(method, WIDE[method]), engines(Writer(depth=6)))
    (rounds,) = made
    assert any(event.running for event in record.events if isinstance(event, Selected))
    assert not rounds.running
    assert not rounds.pending_visits


WIDE = {
    "mcts": Mcts(rounds=14, parallel_rounds=3, early_stop=False, rollout_steps=1),
    "mcts with kept rollouts": Mcts(
        rounds=14,
        parallel_rounds=3,
        early_stop=False,
        keep_rollouts=True,
        close_finished=True,
        rollout_branch=2,
    ),
    "mcts-improved": ImprovedMcts(rounds=14, parallel_rounds=3, early_stop=False),
    "tot-bfs": TreeOfThought(depth=5, repeat=False, early_stop=False, keep=3),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("budget", [None, 60, 150])
@pytest.mark.parametrize("early_stop", [False, True])
def test_a_record_depends_on_its_seed_alone(name: str, budget: int | None, early_stop: bool) -> None:
    method = name.partition(" ")[0]
    tasks = []
    for number in range(20):
        changed: dict[str, Any] = {"early_stop": early_stop}
        if method != "tot-bfs":
            changed["parallel_rounds"] = 2 + number % 4
        chosen = WIDE[name].model_copy(update=changed)
        tasks.append(task(method, chosen, budget=budget, seed=number % 5, number=number))
    alone = run_many(tasks, engines(Writer(depth=6)), 1)
    for seed in range(4):
        gate = Gate(seed)
        used = engines(Writer(depth=6, gate=gate), Judge(gate=gate))
        assert run_many(tasks, used, 7) == alone


@pytest.mark.parametrize("method", ["mcts", "mcts-improved"])
def test_a_search_that_stops_early_has_all_that_was_begun(method: str) -> None:
    chosen = SETTINGS[method](parallel_rounds=4, rounds=40, gate="value", end_gate=0.6)
    reasons = set()
    for seed in range(9):
        policy, judge = Writer(depth=3, gate=Gate(seed)), Judge()
        record = run(task(method, chosen, seed=seed), engines(policy, judge))
        reasons.add(record.result.reason)
        assert record.result.cost.policy == policy.generated
        assert record.result.cost.value == sum(map(len, judge.scored))
    assert "gate" in reasons


@pytest.mark.parametrize("name", WIDE)
def test_requests_of_one_search_run_at_the_same_time(name: str) -> None:
    running, most = 0, 0

    class Counted(Writer):
        async def propose(self, request: SamplingRequest) -> list[Sample]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            samples = await super().propose(request)
            running -= 1
            return samples

    for seed in range(5):
        policy = Counted(gate=Gate(seed), depth=9, variety=9)
        run(task(name.partition(" ")[0], WIDE[name]), engines(policy))
    # A round of MCTS* that has ended waits for older ones.
    assert most == 3 or (name == "mcts" and most == 2)


@pytest.mark.parametrize("name", WIDE)
def test_costs_add_up(name: str) -> None:
    policy, judge = Writer(variety=2, depth=6), Judge()
    record = run(task(name.partition(" ")[0], WIDE[name]), engines(policy, judge))
    assert record.result.cost.policy == policy.generated
    assert record.result.cost.value == sum(map(len, judge.scored))
    seeds = [seed for call in policy.calls for seed in call.seeds]
    assert len(seeds) == len(set(seeds))
    # Walks of the improved search can sample the same step at the same time.
    assert name.startswith("mcts-improved") or max(Counter(judge.scored).values()) == 1


def test_a_failure_of_one_job_ends_the_search() -> None:
    policy = Writer(fail_at=8, gate=Gate(3), depth=9)
    record = run(task("mcts", Mcts(rounds=20, parallel_rounds=4, early_stop=False)), engines(policy))
    assert record.result.reason == "failed"
    assert record.result.cost.policy == policy.generated


def test_a_failure_does_not_wait_for_older_jobs() -> None:
    class Stuck(Writer):
        """Never answers the first request that runs next to another one, and fails in the second."""

        async def propose(self, request: SamplingRequest) -> list[Sample]:
            if len(self.calls) < 2:
                return await super().propose(request)
            if self.fail_at is None:
                self.fail_at = 1
                return await asyncio.Event().wait()  # type: ignore[return-value]
            return await super().propose(request)

    async def search() -> str:
        chosen = Mcts(rounds=9, parallel_rounds=2, rollout_steps=1, early_stop=False)
        found = await asyncio.wait_for(run_search(task("mcts", chosen), engines(Stuck(depth=9))), 20)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return found.result.reason

    assert asyncio.run(search()) == "failed"


def test_running_walks_count_as_children_where_they_start() -> None:
    """The root has one child and two visits: room for one more. The second walk goes below."""
    found = scripted_search(
        "mcts-improved",
        ImprovedMcts(rounds=2, early_stop=False),
        propose={(): ["a"], ("a",): ["x", "y"]},
        value={("a",): 0.5, ("a", "x"): 0.5, ("a", "y"): 0.5},
        finished={("a", "x"), ("a", "y")},
    )
    assert (found.visits(), len(found.tree.root.children)) == (2, 1)
    rounds = Rounds(Recorder(), Random(0), 0, 2)
    assert select(found.tree, ImprovedMcts(), Random(0), set(), rounds).id == 0
    rounds.running.append(0)
    rounds.pending_visits[0] += 1
    assert select(found.tree, ImprovedMcts(), Random(0), set(), rounds).id != 0


class Even(Writer):
    """All steps have 4 tokens."""

    def write(self, prompt: Any, seed: int, most: int, until: str, temperature: float) -> Sample:
        sample = super().write(prompt, seed, 99, until, temperature)
        step = sample.steps[0]
        return Sample((type(step)(f"{seed}\n", (1, 2, seed % 99, 9), -0.5),), 4, False)


def asked(policy: Writer) -> list[tuple[int, int | None]]:
    """How many samples were asked for at once, and what was left for them, in order."""
    return [(len(call.seeds), call.total_tokens) for call in policy.calls]


def test_jobs_share_the_budget() -> None:
    """A round takes 3 + 1 steps of 4 tokens, 8 at most. Two at a time share 100 tokens.

    4 x 8 are set aside for the first. It takes 16, so 19 are set aside for each of the next ones: for the
    second and the third, then for the fourth and the fifth. Those two take all that was left after the third.
    """
    policy = Even()
    chosen = Mcts(rounds=0, parallel_rounds=2, rollout_steps=1, early_stop=False)
    record = run(task("mcts", chosen, budget=100), engines(policy, sampling=Sampling(step_tokens=8)))
    first, later = asked(policy)[:2], asked(policy)[2:6]
    assert first == [(3, 32), (1, 20)]
    # Which of two running jobs asks first is left to asyncio.
    assert sorted(later) == [(1, 7), (1, 7), (3, 19), (3, 19)]
    assert policy.generated == record.result.cost.policy == 100


def test_no_job_is_started_where_the_rest_of_the_budget_does_not_pay_for_it() -> None:
    """The first round gets 32 of 60 and takes 16, the second gets all of the other 44: 2 x 19 would fit.

    After a round of 16 with a share of 19, there are 25 left for a further one, which has them all.
    """
    policy = Even()
    chosen = Mcts(rounds=0, parallel_rounds=4, rollout_steps=1, early_stop=False)
    run(task("mcts", chosen, budget=60), engines(policy, sampling=Sampling(step_tokens=8)))
    assert asked(policy)[:3] == [(3, 60), (1, 48), (3, 19)]
    assert [request for request in asked(policy) if request[0] == 3] == [(3, 60), (3, 19), (3, 25)]
    assert policy.generated == 60


@pytest.mark.parametrize("seed", range(6))
def test_jobs_join_in_the_order_in_which_they_were_started(seed: int) -> None:
    gate = Gate(seed)
    chosen = Mcts(rounds=20, parallel_rounds=4, early_stop=False)
    record = run(task("mcts", chosen), engines(Writer(9, variety=9, gate=gate), Judge(gate=gate)))
    tree = fold(record.events)
    selected = [event.node for event in record.events if isinstance(event, Selected)]
    expanded = [event.node for event in record.events if isinstance(event, Expanded)]
    assert expanded == [node for node in selected if tree.nodes[node].children]
    assert any(len(event.running) == 3 for event in record.events if isinstance(event, Selected))


def world(seed: int) -> dict[str, Any]:
    """A scripted world of three steps at each place, where the fourth one ends a solution."""
    random = Random(seed)
    values: dict[tuple[str, ...], float] = {}
    draws: dict[tuple[str, ...], int] = {}

    def propose(path: tuple[str, ...]) -> str:
        draws[path] = draws.get(path, 0) + 1
        return "abc"[draws[path] % 3]

    def value(path: tuple[str, ...]) -> float:
        return values.setdefault(path, random.choice([0.25, 0.5, 0.75, 1.0]))

    return {"propose": propose, "value": value, "finished": lambda path: len(path) == 4}


@pytest.mark.parametrize("parallel", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("mcts", {}),
        ("mcts", {"close_finished": True, "keep_rollouts": True, "rounds": 80}),
        ("mcts-improved", {"exploration": 0.5, "unvisited_bonus": 0.4}),
    ],
)
def test_a_selection_goes_to_the_largest_sum_of_what_its_event_tells(
    method: str, more: dict[str, Any], parallel: int
) -> None:
    """Every level of every selection, computed from its event and the tree before it."""
    chosen = SETTINGS[method](**({"rounds": 40, "parallel_rounds": parallel, "early_stop": False} | more))
    levels = 0
    for seed in range(10):
        found = scripted_search(method, chosen, seed=seed, **world(seed))
        tree = Tree()
        for event in found.events:
            tree.apply(event)
            if not isinstance(event, Selected):
                continue
            for member in tree.path(event.node):
                parent = tree.nodes[member.parent or 0]
                rows = candidates(tree, parent, chosen.exploration, chosen.unvisited_bonus, event)
                totals = {row.node: row.total for row in rows if row.total is not None}
                assert totals[member.id] == max(totals.values())
                levels += 1
    assert levels > 150


@given(
    method=st.sampled_from(["mcts", "mcts-improved"]),
    parallel=st.integers(1, 5),
    rounds=st.integers(1, 25),
    depth=st.integers(1, 6),
    variety=st.integers(1, 4),
    empty=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=100, deadline=None)
def test_every_round_is_selected_and_backed_up_once(
    method: str, parallel: int, rounds: int, depth: int, variety: int, empty: float, seed: int
) -> None:
    chosen = SETTINGS[method](parallel_rounds=parallel, rounds=rounds, early_stop=False)
    record = run(task(method, chosen, seed=seed), engines(Writer(depth, variety, empty)))
    rounds_begun = sum(isinstance(event, Selected) for event in record.events)
    backups = sum(isinstance(event, BackedUp) for event in record.events)
    assert rounds_begun <= rounds
    assert rounds_begun == rounds or record.result.reason == "exhausted"
    tree = fold(record.events)
    assert tree.root.visits == backups
    assert backups == rounds_begun
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
    how = Mcts(rounds=12, parallel_rounds=3, early_stop=False)
    first, second = (scripted_search("mcts", how, seed=4, **world) for _ in range(2))
    assert first.events == second.events


def within(recorder: Recorder, node: Node, random: Random) -> Moves:
    """A job of a job: one step."""
    children: list[Node] = yield from grow(recorder, node, (yield from draw_steps(Prefix(node.id), 1, 3)))
    return children[0].id if children else node.id


def leaves_its_job(recorder: Recorder, node: Node, random: Random) -> Moves:
    """A job that starts one of its own and ends without joining it."""
    yield Start(node.id, within, 2)
    yield from draw_steps(Prefix(node.id), 1, 3)
    return node.id


def starts_one_job(recorder: Recorder, settings: Mcts, random: Random) -> Moves:
    yield Start(0, leaves_its_job, 4)
    yield Join()
    return Outcome("rounds")


def test_a_job_stops_the_jobs_that_it_has_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    method = replace(METHODS["mcts"], run=starts_one_job)
    monkeypatch.setattr("restmcts.search.running.session.METHODS", {"mcts": method})
    policy = Writer(depth=9)

    async def search() -> SearchRecord:
        record = await run_search(task("mcts", Mcts(early_stop=False), budget=200), engines(policy, Judge()))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return record

    record = asyncio.run(search())
    assert policy.generated == record.result.cost.policy > 0
