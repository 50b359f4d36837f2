"""MCTS* made to pay off at small budgets.

The faithful search pays for rollout steps and throws them away, and never samples the children of a node
again. Here every sampled step stays in the tree, a round ends in a finished solution, and any node may
get more children as its visits grow.
"""

from __future__ import annotations

from functools import partial
from random import Random

from pydantic import Field

from restmcts.search.methods.mcts import backup
from restmcts.search.moves import (
    Moves,
    Outcome,
    at_gate,
    declare_finished,
    draw_steps,
    greedy_trace,
    grow,
)
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Prefix
from restmcts.search.rounds import Rounds
from restmcts.search.settings import GreedyFirst, RuleName
from store.selection import allowed_children, upper_confidence
from store.tree import Node, Tree

WALK_STEPS = 5
"""How many steps a walk is expected to sample while none has ended."""


class ImprovedMcts(GreedyFirst):
    """MCTS* for small budgets: every sampled token stays in the tree.

    A round selects a node, walks from there to a finished solution one valued step at a time, and backs
    the value of that solution up.
    """

    answer_by: RuleName = "value-vote"
    parallel_rounds: int = Field(
        default=1,
        ge=1,
        description=(
            "most rounds that run at the same time; more than one keeps an engine busy with few searches"
        ),
    )
    rounds: int = Field(default=0, ge=0, description="most rounds; 0: until the token budget is spent")
    exploration: float = Field(default=0.1, ge=0, description="weight of the exploration term (c)")
    unvisited_bonus: float = Field(
        default=0.0,
        ge=0,
        description="what an unvisited child scores above its value",
    )
    accept: float = Field(
        default=0.5,
        ge=0,
        description="a step is accepted if its value is at least this share of its parent's score",
    )
    redraws: int = Field(
        default=5,
        ge=0,
        description="how often a step that is not accepted is drawn again; then the best one is followed",
    )
    widening: float = Field(
        default=1.0,
        gt=0,
        description=(
            "a node with N visits may have `max(1, ⌈widening·sqrt(N)⌉)` children (progressive widening), so"
            " that a wrong step can be repaired, the first one too"
        ),
    )
    attempts: int = Field(default=3, ge=1, description="how often an empty sample is drawn again")
    depth: int = Field(default=64, ge=1, description="most steps of a solution")

    @property
    def endless(self) -> bool:
        return self.rounds == 0


def improved_mcts(recorder: Recorder, settings: ImprovedMcts, random: Random) -> Moves:
    """Search by rounds of selection, a valued walk to a finished solution, and backup.

    Args:
        recorder: an empty search.
        settings: the settings of the method.
        random: decides between equally promising children, and nothing else.

    Returns:
        An :class:`~restmcts.search.moves.Outcome`.
    """
    tree = recorder.tree
    rounds = Rounds(recorder, random, settings.rounds, settings.parallel_rounds)
    run = partial(walk, settings=settings)
    exhausted: set[int] = set()  # ends of walks: going there again would tell nothing new
    gate: int | None = None
    greedy_left = settings.greedy_first
    while True:
        more = rounds.left > 0 and gate is None and not tree.root.finished
        if greedy_left:
            greedy_left = False
            rounds.select(tree.root, exhausted)
            leaf: Node | None = yield from greedy_walk(recorder, random, settings)
        elif more and not rounds.full:
            node = select(tree, settings, random, exhausted, rounds)
            leaf = yield from rounds.begin(node, exhausted, run, WALK_STEPS)
        elif rounds.running:
            leaf = yield from rounds.join()
        else:
            break
        if leaf is not None:
            backup(recorder, leaf)
            exhausted.add(leaf.id)
            if settings.early_stop and gate is None and at_gate(leaf, settings):
                gate = leaf.id
    if gate is not None:
        return Outcome("gate", gate)
    return Outcome("exhausted" if tree.root.finished else "rounds")


def select(tree: Tree, settings: ImprovedMcts, random: Random, exhausted: set[int], rounds: Rounds) -> Node:
    """Walk down by the most promising child that is not exhausted, to a node that may have one more."""
    node = tree.root
    pending_visits = rounds.pending_visits
    while not may_widen(node, settings, rounds):
        children = [child for child in tree.children(node.id) if child.id not in exhausted]
        if not children:
            return node
        promises = [
            upper_confidence(
                child.value,
                child.visits + pending_visits[child.id],
                node.visits + pending_visits[node.id],
                settings.exploration,
                settings.unvisited_bonus,
            )
            for child in children
        ]
        best = max(promises)
        pairs = zip(children, promises, strict=True)
        node = random.choice([child for child, promise in pairs if promise == best])
    return node


def may_widen(node: Node, settings: ImprovedMcts, rounds: Rounds) -> bool:
    """Whether a node may get another child: progressive widening by the root of its visits.

    A running round counts as a visit and, where it started, as a child.
    """
    visits = node.visits + rounds.pending_visits[node.id]
    children = len(node.children) + rounds.running.count(node.id)
    return children < allowed_children(visits, settings.widening)


def greedy_walk(recorder: Recorder, random: Random, settings: ImprovedMcts) -> Moves:
    """A greedy trace from the root as a round; where it ends unfinished, a walk goes on from its end."""
    leaf: Node = yield from greedy_trace(recorder)
    end: int = yield from walk(recorder, leaf, random, settings)
    return recorder.tree.nodes[end]


def walk(recorder: Recorder, node: Node, random: Random, settings: ImprovedMcts) -> Moves:
    """From ``node`` step by step to a finished solution; returns the last node reached."""
    current = node
    while not current.finished and current.depth < settings.depth:
        child: Node | None = yield from accepted_child(recorder, current, settings)
        if child is None:
            yield from declare_finished(recorder, current)
        else:
            current = child
    return current.id


def accepted_child(recorder: Recorder, node: Node, settings: ImprovedMcts) -> Moves:
    """Draw a next step until one is good enough; returns the best one drawn, None if there is none.

    Where no step comes in as many attempts as are made, the policy has nothing to add: no more are drawn.
    """
    drawn: list[Node] = []
    floor = settings.accept * (node.score or 0.0)
    for _ in range(settings.redraws + 1):
        steps = yield from draw_steps(Prefix(node.id), 1, settings.attempts)
        if not steps:
            break
        drawn += yield from grow(recorder, node, steps)
        if (drawn[-1].score or 0.0) >= floor:
            break
    return max(drawn, key=lambda child: child.value, default=None)


MCTS_IMPROVED = SearchMethod(
    ImprovedMcts,
    improved_mcts,
    "MCTS* that keeps every sampled step",
    answers=("value-vote", "posterior-vote"),
    evaluation={"early_stop": False, "rounds": 0},
)
