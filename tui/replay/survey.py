"""One pass over the events of a search: what a replay has to know about all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.events import Cost, Critiqued, Event, Expanded, Extended, SearchRecord, Selected, Stopped
from store.tree import Node, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEYFRAME = 500
"""Events from one keyframe to the next: a jump folds no more than these."""

_FIXED = ("id", "parent", "depth", "step", "children")
CHANGING = tuple(field.name for field in fields(Node) if field.name not in _FIXED)
"""The names of the fields of a node that events change, in their order."""

Values = tuple[object, ...]
"""The values of the fields ``CHANGING`` of a node."""

_values_of: Callable[[Node], Values] = attrgetter(*CHANGING)


@dataclass(frozen=True, slots=True)
class Keyframe:
    """The tree after ``position`` events: the changing fields of its nodes, and the rest of its state.

    Plain values and no copies of nodes: what a node is never changes, and is read from the final tree.
    """

    position: int
    nodes: tuple[Values, ...]
    cost: Cost
    stopped: Stopped | None
    traces: dict[int, tuple[int, ...]]

    def tree(self, final: Tree) -> Tree:
        """A new tree that is equal to the one that the keyframe was made of."""
        size = len(self.nodes)
        nodes = [
            Node(node.id, node.parent, node.depth, node.step, _below(node.children, size), *values)  # type: ignore[arg-type]
            for node, values in zip(final.nodes, self.nodes, strict=False)
        ]
        traces = {node: list(ends) for node, ends in self.traces.items()}
        return Tree(nodes, self.cost, self.stopped, traces)


def _below(children: list[int], size: int) -> list[int]:
    """The children that a tree of ``size`` nodes has: they join in the order of their numbers."""
    if not children or children[-1] < size:
        return children[:]
    return children[: bisect_left(children, size)]


def _keyframe(position: int, tree: Tree) -> Keyframe:
    traces = {node: tuple(ends) for node, ends in tree.traces.items()}
    return Keyframe(position, tuple(map(_values_of, tree.nodes)), tree.cost, tree.stopped, traces)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known about all events of a search before it is replayed.

    Item i of a sequence is about the tree after i events, unless said otherwise.

    Attributes:
        final: the tree after the last event.
        sizes: how many nodes there are.
        tokens: how many tokens were generated.
        rounds: the positions at which rounds begin. Methods that select nothing have a round for each
            expansion.
        solutions: the positions at which a node was found to be finished, with that node.
        joined: by position, the nodes that an expansion or a trace may change, parents included.
        keyframes: trees to start from, by rising position; the first one is the empty tree.
    """

    final: Tree
    sizes: Sequence[int]
    tokens: Sequence[int]
    rounds: Sequence[int]
    solutions: Sequence[tuple[int, int]]
    joined: dict[int, tuple[int, ...]]
    keyframes: Sequence[Keyframe]

    def keyframe(self, position: int) -> Keyframe:
        """The last keyframe at or before ``position``."""
        return self.keyframes[bisect_right(self.keyframes, position, key=lambda frame: frame.position) - 1]

    def joins(self, node: int) -> int:
        """The position at which ``node`` is in the tree for the first time; 0 for the root."""
        return bisect_right(self.sizes, node)

    def round_at(self, position: int) -> int:
        """The number of the round that goes on at ``position``, from 1; 0 before the first."""
        return bisect_right(self.rounds, position)

    def spent_in(self, round_: int) -> int:
        """The tokens that were generated in a round, counted from 1."""
        end = self.rounds[round_] - 1 if round_ < len(self.rounds) else len(self.tokens) - 1
        return self.tokens[end] - self.tokens[self.rounds[round_ - 1] - 1]

    def affected(self, position: int, event: Event) -> Sequence[int]:
        """The nodes that ``event``, the one that leads to ``position``, touches or may change."""
        if position in self.joined:
            return self.joined[position]
        many = getattr(event, "nodes", None)
        if many is not None:
            return (*many, *getattr(event, "unverified", ()))
        node = getattr(event, "node", None)
        return () if node is None else (node,)


def survey(record: SearchRecord) -> Survey:
    """Go once over the events of a search.

    Raises:
        StoreError: an event does not fit the tree.
    """
    events, tree = record.events, Tree()
    sizes, tokens, frames = [1], [0], [_keyframe(0, tree)]
    joined: dict[int, tuple[int, ...]] = {}
    for position, event in enumerate(events, 1):
        touched = _apply(tree, event, position, record.header.id)
        if isinstance(event, Expanded | Extended):
            joined[position] = _with_parents(tree, touched, event.node)
        sizes.append(len(tree.nodes))
        tokens.append(tree.cost.generated)
        if position % KEYFRAME == 0 or position == len(events) - 1:
            frames.append(_keyframe(position, tree))
    return Survey(tree, sizes, tokens, rounds_of(events), _solutions(events), joined, frames)


def _apply(tree: Tree, event: Event, position: int, name: str) -> list[int]:
    try:
        return tree.apply(event)
    except ValueError as error:
        raise StoreError(f"tree {name}: event {position} does not fit: {error}") from error


def _with_parents(tree: Tree, touched: list[int], start: int) -> tuple[int, ...]:
    parents = {tree.nodes[node].parent for node in touched}
    return tuple(sorted({start, *touched, *(node for node in parents if node is not None)}))


def rounds_of(events: Sequence[Event]) -> list[int]:
    """The positions at which rounds begin; methods that select nothing have a round for each expansion."""
    chosen = [place for place, event in enumerate(events, 1) if isinstance(event, Selected)]
    if chosen:
        return chosen
    return [place for place, event in enumerate(events, 1) if isinstance(event, Expanded | Extended)]


def _solutions(events: Sequence[Event]) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    for position, event in enumerate(events, 1):
        if isinstance(event, Critiqued) and event.finished:
            found.setdefault(event.node, position)
    return [(position, node) for node, position in found.items()]
