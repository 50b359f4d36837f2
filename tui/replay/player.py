"""Replay of a search without a screen: the tree as it was after any number of events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING

from store.answer_constants import constants_of
from store.answers import RULES, Answer
from store.errors import StoreError
from store.events import (
    BackedUp,
    Cost,
    Event,
    Expanded,
    Extended,
    SearchRecord,
    Selected,
    Stopped,
    Valued,
    Verified,
)
from store.tree import Node, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from store.overrides import Override


@dataclass(frozen=True, slots=True)
class Change:
    """What a move changed: the numbers of the nodes that look different, and whether any came or went."""

    nodes: frozenset[int] = frozenset()
    structure: bool = False


_FIXED = ("id", "parent", "depth", "step", "children")
_CHANGING = tuple(field.name for field in fields(Node) if field.name not in _FIXED)
_values: Callable[[Node], tuple[object, ...]] = attrgetter(*_CHANGING)


@dataclass(frozen=True, slots=True)
class _Before:
    """What an event changes, as it was before the event.

    ``nodes`` holds, for each node that may change, its number, the number of its children (an event only
    adds some) and its other fields. These are plain values and no copies of nodes, because a long replay
    keeps so many of them that the garbage collector would show as a stutter.
    """

    size: int
    nodes: tuple[tuple[int, int, tuple[object, ...]], ...]
    cost: Cost
    stopped: Stopped | None


class Player:
    """Moves through the events of one search.

    ``position`` counts the events applied, from 0 to ``length``; ``tree`` is always equal to the fold of
    the first ``position`` events. A move forward applies an event; a move back puts back what is kept of
    the nodes that it changed, so that both cost as much as the event touches, not as the tree holds.

    Raises:
        StoreError: an event does not fit the tree, or the constants of the answer rules are damaged.
    """

    def __init__(self, record: SearchRecord, overrides: Mapping[str, Override] | None = None) -> None:
        self.record = record
        self.overrides = overrides or {}
        self.events = record.events
        self.position = 0
        self.tree = Tree()
        self._before: list[_Before] = []
        self._constants = constants_of(record.header.settings)
        self._answers: dict[int, Answer | None] = {}
        self._touched, self._affected, self._sizes = _survey(record)
        self.rounds = _rounds(record.events)

    @property
    def length(self) -> int:
        return len(self.events)

    @property
    def event(self) -> Event | None:
        """The event that was applied last; None at the start."""
        return self.events[self.position - 1] if self.position else None

    @property
    def joined(self) -> range:
        """The numbers of the nodes that the last event added."""
        if not self.position:
            return range(0)
        return range(self._sizes[self.position - 1], self._sizes[self.position])

    @property
    def touched(self) -> frozenset[int]:
        """The nodes that the last event is about."""
        return self._touched[self.position - 1] if self.position else frozenset()

    @property
    def focus(self) -> int:
        """The node that the last event is mostly about: the first that it added, or that it names."""
        if self.joined:
            return self.joined.start
        event = self.event
        if isinstance(event, Valued | BackedUp | Verified):
            return event.nodes[0] if event.nodes else 0
        return 0 if event is None or event.node is None else event.node

    @property
    def selected(self) -> int | None:
        """The node that the current round selected; None before the first round."""
        for event in reversed(self.events[: self.position]):
            if isinstance(event, Selected):
                return event.node
        return None

    @property
    def round(self) -> int:
        """The number of the current round, from 1; 0 before the first."""
        return bisect_right(self.rounds, self.position)

    @property
    def answer(self) -> Answer | None:
        """The answer that the tree gives now, by the rule of the search, and its node.

        None where it has none, or where the rule is not known.
        """
        if self.position not in self._answers:
            rule = RULES.get(self.record.header.answer_by)
            self._answers[self.position] = None if rule is None else rule.run(self.tree, self._constants)
        return self._answers[self.position]

    def forward(self) -> Change:
        """Apply the next event; nothing happens at the end."""
        if self.position == self.length:
            return Change()
        tree, affected = self.tree, self._affected[self.position]
        size = len(tree.nodes)
        kept = tuple(_keep(tree.nodes[node]) for node in affected if node < size)
        self._before.append(_Before(size, kept, tree.cost, tree.stopped))
        tree.apply(self.events[self.position])
        self.position += 1
        return Change(frozenset(affected), len(tree.nodes) != size)

    def back(self) -> Change:
        """Undo the last event; nothing happens at the start."""
        if not self.position:
            return Change()
        tree, before = self.tree, self._before.pop()
        structure = len(tree.nodes) != before.size
        del tree.nodes[before.size :]
        for number, children, values in before.nodes:
            _put_back(tree.nodes[number], children, values)
        tree.cost, tree.stopped = before.cost, before.stopped
        self.position -= 1
        event = self.events[self.position]
        if isinstance(event, Extended):
            tree.forget_trace(event.node)
        affected = self._affected[self.position]
        return Change(frozenset(node for node in affected if node < before.size), structure)

    def jump(self, position: int) -> Change:
        """Move to ``position``, or to the nearest end when there is no such position."""
        position = min(max(position, 0), self.length)
        nodes: set[int] = set()
        structure = False
        while self.position != position:
            change = self.forward() if self.position < position else self.back()
            nodes |= change.nodes
            structure |= change.structure
        return Change(frozenset(node for node in nodes if node < len(self.tree.nodes)), structure)

    def next_round(self) -> Change:
        """Move to where the next round selects its node, or to the end."""
        index = bisect_right(self.rounds, self.position)
        return self.jump(self.rounds[index] if index < len(self.rounds) else self.length)

    def previous_round(self) -> Change:
        """Move to where this round, or the one before it, selects its node, or to the start."""
        index = bisect_left(self.rounds, self.position) - 1
        return self.jump(self.rounds[index] if index >= 0 else 0)


def _keep(node: Node) -> tuple[int, int, tuple[object, ...]]:
    return node.id, len(node.children), _values(node)


def _put_back(node: Node, children: int, values: tuple[object, ...]) -> None:
    del node.children[children:]
    for name, value in zip(_CHANGING, values, strict=True):
        setattr(node, name, value)


def _survey(record: SearchRecord) -> tuple[list[frozenset[int]], list[tuple[int, ...]], list[int]]:
    """For each event the nodes that it touches and those that it may change; the sizes between events.

    An event changes the nodes that it touches and, where they have just joined, their parents.
    """
    tree = Tree()
    touched: list[frozenset[int]] = []
    affected: list[tuple[int, ...]] = []
    sizes = [1]
    for number, event in enumerate(record.events, 1):
        try:
            nodes = tree.apply(event)
        except ValueError as error:
            raise StoreError(f"tree {record.header.id}: event {number} does not fit: {error}") from error
        parents = (tree.nodes[node].parent for node in nodes)
        touched.append(frozenset(nodes))
        affected.append(tuple(sorted({*nodes, *(node for node in parents if node is not None)})))
        sizes.append(len(tree.nodes))
    return touched, affected, sizes


def _rounds(events: tuple[Event, ...]) -> list[int]:
    """The positions at which rounds begin; methods that select nothing have a round for each expansion."""
    chosen = [place for place, event in enumerate(events, 1) if isinstance(event, Selected)]
    if chosen:
        return chosen
    return [place for place, event in enumerate(events, 1) if isinstance(event, Expanded | Extended)]
