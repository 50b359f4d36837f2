"""Replay of a search without a screen: the tree as it was after any number of events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from store.answering.constants import constants_of
from store.answering.rules import RULES, Answer
from store.events import BackedUp, Cost, Event, Extended, SearchRecord, Selected, Stopped, Valued, Verified
from store.tree import Node, Tree
from tui.replay.survey import CHANGING, KEYFRAME, survey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.runs.overrides import Override

_NEAR = 64
"""Up to so many events away, a jump is made of steps."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a move changed: the numbers of the nodes that look different, and whether any came or went.

    ``everything``: the move was a jump to another moment, and ``nodes`` names none.
    """

    nodes: frozenset[int] = frozenset()
    structure: bool = False
    everything: bool = False


@dataclass(frozen=True, slots=True)
class _Before:
    """What an event changes, as it was before the event, and the nodes that the event touched.

    ``nodes`` are those that may change, ``children`` how many children each had (events add some),
    and ``columns`` holds a value for each of them, by the name of the field. These are columns of plain
    values and no copies of nodes, because a long replay keeps so many of them that the garbage collector
    would show as a stutter.
    """

    size: int
    nodes: tuple[int, ...]
    children: tuple[int, ...]
    columns: dict[str, tuple[object, ...]]
    cost: Cost
    stopped: Stopped | None
    touched: tuple[int, ...]

    def put_back(self, nodes: Sequence[Node]) -> None:
        """Give ``nodes``, those that are kept here in their order, what they had."""
        for node, children in zip(nodes, self.children, strict=True):
            del node.children[children:]
        for name, column in self.columns.items():
            for node, value in zip(nodes, column, strict=True):
                setattr(node, name, value)


class Player:
    """Moves through the events of one search.

    ``position`` counts the events applied, from 0 to ``length``; ``tree`` is always equal to the fold of
    the first ``position`` events. A step forward applies an event; a step back puts back what is kept of
    the nodes that it changed, so that both cost as much as the event touches, not as the tree holds. A jump
    starts from a keyframe and folds at most :data:`~tui.replay.survey.KEYFRAME` events. ``tree`` is another
    object after a jump.

    Raises:
        StoreError: an event does not fit the tree, or the constants of the answer rules are damaged.
    """

    def __init__(self, record: SearchRecord, overrides: Mapping[str, Override] | None = None) -> None:
        self.record = record
        self.overrides = overrides or {}
        self.events = record.events
        self.position = 0
        self.tree = Tree()
        self.constants = constants_of(record.header.settings)
        self.survey = survey(record)
        self._before: deque[_Before] = deque(maxlen=KEYFRAME)
        self._answers: dict[int, Answer | None] = {}

    @property
    def length(self) -> int:
        return len(self.events)

    @property
    def rounds(self) -> Sequence[int]:
        """The positions at which rounds begin."""
        return self.survey.rounds

    @property
    def event(self) -> Event | None:
        """The event that was applied last; None at the start."""
        return self.events[self.position - 1] if self.position else None

    @property
    def joined(self) -> range:
        """The numbers of the nodes that the last event added."""
        if not self.position:
            return range(0)
        return range(self.survey.sizes[self.position - 1], self.survey.sizes[self.position])

    @property
    def touched(self) -> frozenset[int]:
        """The nodes that the last event is about."""
        return frozenset(self._before[-1].touched) if self._before else frozenset()

    @property
    def focus(self) -> int:
        """The node that the last event is mostly about: the first that it added, or that it names.

        Once the search has ended, that is the node of its answer.
        """
        if self.joined:
            return self.joined.start
        event, stopped = self.event, self.tree.stopped
        if stopped is not None and stopped.node is not None:
            return stopped.node
        if isinstance(event, Valued | BackedUp | Verified):
            return event.nodes[0] if event.nodes else 0
        return 0 if event is None or event.node is None else event.node

    @property
    def selected(self) -> int | None:
        """The node that the current round selected; None before the first round."""
        round_ = self.round
        event = self.events[self.rounds[round_ - 1] - 1] if round_ else None
        return event.node if isinstance(event, Selected) else None

    @property
    def round(self) -> int:
        """The number of the current round, from 1; 0 before the first."""
        return self.survey.round_at(self.position)

    @property
    def answer(self) -> Answer | None:
        """The answer that the tree gives now, by the rule of the search, and its node.

        None where it has none, or where the rule is not known.
        """
        if self.position not in self._answers:
            rule = RULES.get(self.record.header.answer_by)
            self._answers[self.position] = None if rule is None else rule.run(self.tree, self.constants)
        return self._answers[self.position]

    def before(self, node: int) -> Node | None:
        """``node`` as it was before the last event, without its children; None if it was not there."""
        if not self._before or node >= self._before[-1].size:
            return None
        kept = self._before[-1]
        if node not in kept.nodes:
            return replace(self.tree.nodes[node], children=[])
        place = kept.nodes.index(node)
        fields: dict[str, Any] = {name: column[place] for name, column in kept.columns.items()}
        return replace(self.tree.nodes[node], children=[], **fields)

    def forward(self) -> Change:
        """Apply the next event; nothing happens at the end."""
        if self.position == self.length:
            return Change()
        tree, event = self.tree, self.events[self.position]
        affected = self.survey.affected(self.position + 1, event)
        size = len(tree.nodes)
        kept = tuple(node for node in affected if node < size)
        nodes = [tree.nodes[node] for node in kept]
        children = tuple(len(node.children) for node in nodes)
        columns = {name: tuple(map(attrgetter(name), nodes)) for name in _changing(event)}
        cost, stopped = tree.cost, tree.stopped
        touched = tuple(tree.apply(event))
        self._before.append(_Before(size, kept, children, columns, cost, stopped, touched))
        self.position += 1
        return Change(frozenset(affected), len(tree.nodes) != size)

    def back(self) -> Change:
        """Undo the last event; nothing happens at the start."""
        if len(self._before) < 2:  # of the event that is then the last one, something is to be kept
            return self._from_keyframe(self.position - 1) if self.position else Change()
        tree, before = self.tree, self._before.pop()
        affected = self.survey.affected(self.position, self.events[self.position - 1])
        structure = len(tree.nodes) != before.size
        del tree.nodes[before.size :]
        before.put_back([tree.nodes[node] for node in before.nodes])
        tree.cost, tree.stopped = before.cost, before.stopped
        self.position -= 1
        event = self.events[self.position]
        if isinstance(event, Extended):
            tree.forget_trace(event.node)
        return Change(frozenset(node for node in affected if node < before.size), structure)

    def jump(self, position: int) -> Change:
        """Move to ``position``, or to the nearest end when there is no such position."""
        position = min(max(position, 0), self.length)
        if abs(position - self.position) > _NEAR:
            return self._from_keyframe(position)
        changes = []
        while self.position != position:
            changes.append(self.forward() if self.position < position else self.back())
        size = len(self.tree.nodes)
        nodes = frozenset(node for change in changes for node in change.nodes if node < size)
        structure = any(change.structure for change in changes)
        return Change(nodes, structure, any(change.everything for change in changes))

    def _from_keyframe(self, position: int) -> Change:
        """Fold from the last keyframe before ``position``, so that the last event can be undone."""
        frame = self.survey.keyframe(max(position - 1, 0))
        self.tree = frame.tree(self.survey.final)
        self.position = frame.position
        self._before.clear()
        while self.position != position:
            self.forward()
        return Change(structure=True, everything=True)

    def next_round(self) -> Change:
        """Move to where the next round selects its node, or to the end."""
        index = bisect_right(self.rounds, self.position)
        return self.jump(self.rounds[index] if index < len(self.rounds) else self.length)

    def previous_round(self) -> Change:
        """Move to where this round, or the one before it, selects its node, or to the start."""
        index = bisect_left(self.rounds, self.position) - 1
        return self.jump(self.rounds[index] if index >= 0 else 0)


def _changing(event: Event) -> Sequence[str]:
    """The fields of nodes that ``event`` may change."""
    return ("visits", "value") if isinstance(event, BackedUp) else CHANGING
