"""MCTS* made to pay off at small budgets.

The faithful search pays for rollout steps and throws them away, and never samples the children of a node
again. Here every sampled step stays in the tree, a round ends in a finished solution, and any node may
get more children as its visits grow.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from math import ceil, sqrt
from random import Random

from pydantic import Field

from restmcts.search.methods.mcts import backup
from restmcts.search.moves import Moves, Outcome, at_gate, declare_finished, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Begin, Follow, Followed, Prefix
from restmcts.search.settings import Method, RuleName
from store.events import Selected
from store.tree import Node, Tree, upper_confidence


class ImprovedMcts(Method):
    """MCTS* made to pay off at small budgets: every token sampled stays in the tree.

    A round selects a node, walks from there to a finished solution one valued step at a time, and backs
    the value of that solution up.

    Attributes:
        leaves: rounds that run side by side, which keeps an engine busy with few searches.
        rounds: most rounds; 0 goes on until the token budget is spent.
        exploration: weight of the exploration term (c).
        unvisited_bonus: what an unvisited child scores above its value.
        accept: a step is accepted when its value is at least this share of its parent's score.
        redraws: how often a step that is not accepted is drawn again; then the best one is followed.
        widening: a node with N visits may have ``widening·sqrt(N)`` children (progressive widening), so
            that a wrong step can be repaired, the first one too.
        attempts: how often an empty proposal is asked for again.
        depth: most steps of a solution.
    """

    answer_by: RuleName = "value-vote"
    leaves: int = Field(default=1, ge=1)
    rounds: int = Field(default=0, ge=0)
    exploration: float = Field(default=0.1, ge=0)
    unvisited_bonus: float = Field(default=0.0, ge=0)
    accept: float = Field(default=0.5, ge=0)
    redraws: int = Field(default=5, ge=0)
    widening: float = Field(default=1.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    depth: int = Field(default=64, ge=1)

    @property
    def endless(self) -> bool:
        return self.rounds == 0


@dataclass(frozen=True, slots=True)
class Coming:
    """The visits and the new children that rounds under way will bring, by node."""

    visits: Counter[int] = field(default_factory=Counter)
    children: Counter[int] = field(default_factory=Counter)


def improved_mcts(recorder: Recorder, settings: ImprovedMcts, random: Random) -> Moves:
    """Search by rounds of selection, a valued walk to a finished solution, and backup.

    Args:
        recorder: an empty search.
        settings: the settings of the method.
        random: decides between equally promising children, and nothing else.

    Returns:
        An :class:`~restmcts.search.moves.Outcome`.
    """
    rounds = Rounds(recorder, settings, random)
    while rounds.more or rounds.under_way:
        if rounds.more and len(rounds.under_way) < settings.leaves:
            yield from rounds.begin()
        else:
            yield from rounds.follow()
    if settings.early_stop and rounds.reached is not None:
        return Outcome("gate", rounds.reached)
    return Outcome("exhausted" if recorder.tree.root.finished else "rounds")


class Rounds:
    """The rounds of a search: what is under way, by where it started, and what came out.

    A walk that is under way counts as a visit and, where it starts, as a child; its value is not guessed:
    "Watch the Unobserved", Liu et al., ICLR 2020.
    """

    def __init__(self, recorder: Recorder, settings: ImprovedMcts, random: Random) -> None:
        self.recorder = recorder
        self.settings = settings
        self.random = random
        self.left = settings.rounds or sys.maxsize
        self.closed: set[int] = set()  # ends of walks: going there again would tell nothing new
        self.under_way: dict[int, Node] = {}
        self.coming = Coming()
        self.reached: int | None = None

    @property
    def more(self) -> bool:
        """Whether further rounds are wanted."""
        gate = self.settings.early_stop and self.reached is not None
        return self.left > 0 and not gate and not self.recorder.tree.root.finished

    def begin(self) -> Moves:
        """Begin a round; where only one is wanted at a time, go through with it."""
        settings = self.settings
        node = select(self.recorder.tree, settings, self.random, self.closed, self.coming)
        if settings.leaves == 1:
            self.select(node)
            (end,) = yield from walk(self.recorder, node, self.random, settings)
            self.end(self.recorder.tree.nodes[end])
            return
        run = partial(walk, settings=settings)
        moves: int | None = yield Begin(node.id, run, None, settings.leaves - len(self.under_way))
        if moves is None:
            yield from self.follow()
            return
        self.select(node)
        self.under_way[moves] = node
        self.coming.children[node.id] += 1
        self.coming.visits.update(ancestor.id for ancestor in self.recorder.tree.ancestors(node.id))

    def select(self, node: Node) -> None:
        """Count a round that starts from ``node``."""
        self.recorder.emit(Selected(node.id))
        self.left -= 1

    def follow(self) -> Moves:
        """Let the walk that is first come further; at its end, back it up."""
        followed: Followed = yield Follow()
        if not followed.ended:
            return
        node = self.under_way.pop(followed.moves)
        self.coming.children[node.id] -= 1
        self.coming.visits.subtract(ancestor.id for ancestor in self.recorder.tree.ancestors(node.id))
        if followed.nodes is not None:
            self.end(self.recorder.tree.nodes[followed.nodes[0]])

    def end(self, leaf: Node) -> None:
        """Back a walk up that ended at ``leaf``."""
        backup(self.recorder, leaf)
        self.closed.add(leaf.id)
        if self.reached is None and at_gate(leaf, self.settings):
            self.reached = leaf.id


def select(tree: Tree, settings: ImprovedMcts, random: Random, closed: set[int], coming: Coming) -> Node:
    """Walk down by the most promising open child, to the first node that may have one more."""
    node = tree.root
    while not may_widen(node, settings, coming):
        children = [child for child in tree.children(node.id) if child.id not in closed]
        if not children:
            return node
        promises = [
            upper_confidence(
                child.value,
                child.visits + coming.visits[child.id],
                node.visits + coming.visits[node.id],
                settings.exploration,
                settings.unvisited_bonus,
            )
            for child in children
        ]
        best = max(promises)
        pairs = zip(children, promises, strict=True)
        node = random.choice([child for child, promise in pairs if promise == best])
    return node


def may_widen(node: Node, settings: ImprovedMcts, coming: Coming) -> bool:
    """Whether a node may get another child: progressive widening by the root of its visits."""
    visits = node.visits + coming.visits[node.id]
    children = len(node.children) + coming.children[node.id]
    return children < max(1, ceil(settings.widening * sqrt(visits)))


def walk(recorder: Recorder, node: Node, random: Random, settings: ImprovedMcts) -> Moves:
    """From ``node`` step by step to a finished solution; returns the last node reached."""
    current = node
    while not current.finished and current.depth < settings.depth:
        child: Node | None = yield from accepted_child(recorder, current, settings)
        if child is None:
            yield from declare_finished(recorder, current)
        else:
            current = child
    return [current.id]


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
    evaluation={"early_stop": False, "rounds": 0},
)
