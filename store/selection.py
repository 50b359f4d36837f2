"""How a tree search selects: the rule, and the terms that a recorded selection compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from store.events import Selected
from store.tree import Node, Tree


def upper_confidence(
    value: float, visits: int, parent_visits: int, exploration: float, unvisited_bonus: float
) -> float:
    """How promising a child looks: ``V + c·sqrt(2·ln N_parent / N)``, or ``V + bonus`` when unvisited.

    The rule of ReST-MCTS* (paper, Algorithm 2) with the authors' bonus for children without a visit.
    """
    if visits == 0:
        return value + unvisited_bonus
    return value + exploration * math.sqrt(2 * math.log(parent_visits) / visits)


def allowed_children(visits: int, widening: float) -> int:
    """How many children a node with ``visits`` may have: ``widening·sqrt(N)``, and at least one.

    Progressive widening. A walk down ends at the first node that has fewer.
    """
    return max(1, math.ceil(widening * math.sqrt(visits)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A child as a selection sees it.

    Attributes:
        node: the number of the child.
        value: V.
        visits: N, pending visits included.
        extra: the exploration term, or the bonus of an unvisited child.
        total: the sum of ``value`` and ``extra``. Both are None where the selection passed the child over, or
            where its parent has no visit yet.
    """

    node: int
    value: float
    visits: int
    extra: float | None = None
    total: float | None = None


def candidates(
    tree: Tree, parent: Node, exploration: float, unvisited_bonus: float, event: Selected | None = None
) -> list[Candidate]:
    """The children of ``parent`` as ``event`` saw them, in their order; without an event, as they are now.

    ``tree`` is the tree at the event.
    """
    pending = pending_visits(tree, event.running if event else ())
    above = parent.visits + pending[parent.id]
    found = []
    for child in tree.children(parent.id):
        visits = child.visits + pending[child.id]
        passed = event is not None and child.id in event.exhausted
        if passed or visits < 0 or (visits > 0 and above <= 0):
            found.append(Candidate(child.id, child.value, visits))
            continue
        total = upper_confidence(child.value, visits, above, exploration, unvisited_bonus)
        found.append(Candidate(child.id, child.value, visits, total - child.value, total))
    return found


def pending_visits(tree: Tree, running: Iterable[int]) -> Counter[int]:
    """The visits that running rounds will bring, by node: one on the start of each and on its ancestors."""
    return Counter(ancestor.id for start in running for ancestor in tree.ancestors(start))
