"""What one more step is worth at each node of a tree, by policy and value together.

Posterior search draws the next step where it most likely changes the answer. The gain of a node is the chance
that one more step, drawn there or below, does that for the better, if the partial solution of the node is
right. The search walks down from the root to the child with the largest share times gain, as long as that is
more than a step at the node itself is worth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from store.answering.constants import AnswerConstants
from store.answering.posterior import Shares, shares
from store.events import Event, Expanded, Selected
from store.tree import Node, Tree

HIT = 0.5
"""The chance that a step that is drawn from what is left of the policy is the right one."""

FIRST_HIT = 0.75
"""That of the first step of a node, which is drawn at temperature 0."""


@dataclass(frozen=True, slots=True)
class Gains:
    """What one more step is worth.

    Attributes:
        shares: by node, how it divides among its children and the steps that were not drawn.
        own: by node, the chance that one more step drawn there changes the answer for the better.
        gain: by node, the best such chance there or below.
    """

    shares: tuple[Shares, ...]
    own: tuple[float, ...]
    gain: tuple[float, ...]


def own_gain(node: Node, found: Shares, expected_depth: float) -> float:
    """What one more step at a node is worth: the chance to hit, less the more steps have to follow.

    Args:
        node: a node that is not finished and may have more children.
        found: how it divides.
        expected_depth: the mean number of steps of a solution.
    """
    following = 2 * max(0.0, expected_depth - node.depth - 1)
    if not node.children:
        return FIRST_HIT / (1 + following)
    hit = HIT * found.left
    return found.undrawn * hit / (1 + following * hit)


def best_gain(node: Node, own: float, found: Shares, gain: Mapping[int, float]) -> float:
    """What one more step there or below is worth; 0 for a finished node."""
    below = (share * gain[child] for child, share in zip(node.children, found.children, strict=True))
    return 0.0 if node.finished else max(own, *below, 0.0)


def gains(
    tree: Tree, constants: AnswerConstants, *, closed: Collection[int] = (), deepest: int | None = None
) -> Gains:
    """The gains of all nodes, as a search knows them that has found a solution.

    Args:
        tree: the tree when a node is selected.
        constants: those of the posterior.
        closed: nodes where no step is to be drawn: one is being drawn there, or none came.
        deepest: the most steps of a solution; None: no limit.
    """
    depths = [node.depth for node in tree.nodes if node.finished]
    expected = fmean(depths) if depths else 0.0
    divided = [shares(tree, node, constants) for node in tree.nodes]
    own, gain = [0.0] * len(tree.nodes), dict[int, float]()
    for node in reversed(tree.nodes):
        ends = node.finished or node.id in closed or (deepest is not None and node.depth >= deepest)
        own[node.id] = 0.0 if ends else own_gain(node, divided[node.id], expected)
        gain[node.id] = best_gain(node, own[node.id], divided[node.id], gain)
    return Gains(tuple(divided), tuple(own), tuple(gain[node.id] for node in tree.nodes))


def empty_draws(events: Iterable[Event]) -> Counter[int]:
    """How many draws in a row brought nothing, by node, from the events of a posterior search."""
    misses: Counter[int] = Counter()
    waiting: set[int] = set()
    for event in events:
        if isinstance(event, Selected):
            if not event.running:  # what was drawn before has come
                misses.update(waiting)
                waiting.clear()
            waiting.add(event.node)
        elif isinstance(event, Expanded):
            waiting.discard(event.node)
            misses[event.node] = 0
    return misses
