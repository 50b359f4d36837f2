"""MCTS* made to pay off at small budgets.

The faithful search pays for rollout steps and throws them away, and never samples the children of a node
again. Here every sampled step stays in the tree, a round ends in a finished solution, and any node may
get more children as its visits grow.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from random import Random

from restmcts.search.mcts import backup
from restmcts.search.moves import Moves, Outcome, at_gate, declare_finished, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Prefix
from restmcts.search.settings import ImprovedMcts
from restmcts.search.side_by_side import side_by_side
from store.trace import Selected
from store.tree import Node, Tree, upper_confidence


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
    closed: set[int] = set()  # ends of walks: going there again would tell nothing new
    left = settings.rounds or sys.maxsize
    while left:
        starts = select_starts(recorder.tree, settings, random, closed, min(left, settings.leaves))
        left -= len(starts)
        for node in starts:
            recorder.emit(Selected(node.id))
        ends = yield from side_by_side([walk(recorder, node, settings) for node in starts])
        for leaf in unique(ends):
            backup(recorder, leaf)
            if settings.early_stop and at_gate(leaf, settings):
                return Outcome("gate", leaf.id)
            closed.add(leaf.id)
        if recorder.tree.root.finished:
            return Outcome("exhausted")
    return Outcome("rounds")


def unique(ends: Sequence[Node | None]) -> list[Node]:
    """The nodes that walks ended at, each once, without those that the token budget ended."""
    return list({node.id: node for node in ends if node is not None}.values())


def select_starts(
    tree: Tree, settings: ImprovedMcts, random: Random, closed: set[int], number: int
) -> list[Node]:
    """Where the walks of rounds start that run side by side; several may start from one node.

    A walk that is under way counts as a visit and, where it starts, as a child; its value is not guessed:
    "Watch the Unobserved", Liu et al., ICLR 2020.
    """
    starts: list[Node] = []
    coming = Coming()
    for _ in range(number):
        node = select(tree, settings, random, closed, coming)
        starts.append(node)
        coming.children[node.id] += 1
        coming.visits.update(ancestor.id for ancestor in tree.ancestors(node.id))
    return starts


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


def walk(recorder: Recorder, node: Node, settings: ImprovedMcts) -> Moves:
    """From ``node`` step by step to a finished solution; returns the last node reached."""
    current = node
    while not current.finished and current.depth < settings.depth:
        child: Node | None = yield from accepted_child(recorder, current, settings)
        if child is None:
            yield from declare_finished(recorder, current)
        else:
            current = child
    return current


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
