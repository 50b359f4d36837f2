"""A search as plain data, event by event, with its reasons: what the script of a page draws."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from store.answering.constants import constants_of
from store.answering.rules import RULES, Answer
from store.answering.tally import tally
from store.events import (
    BackedUp,
    Critiqued,
    Event,
    Expanded,
    Extended,
    RolledOut,
    SearchRecord,
    Selected,
    Stopped,
    Valued,
    Verified,
)
from store.tree import Node, Tree
from tui.page.choices import Choices
from tui.page.texts import Texts, short
from tui.replay.event_text import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: dict[type[Event], str] = {
    Selected: "selected",
    Expanded: "expanded",
    Extended: "extended",
    Critiqued: "judged",
    Valued: "scored",
    RolledOut: "rolled-out",
    BackedUp: "backed-up",
    Verified: "verified",
    Stopped: "stopped",
}
"""The names that the page has for events."""

MOST_ANSWER_WORK = 5_000_000
"""Nodes that may be looked at to tell the answer as it was in between; of more, fewer events tell it."""

MOST_ANSWERS = 12
"""Answers that are listed where they are compared."""

OPEN, EXPANDED, FINISHED, RIGHT, WRONG = range(5)
"""What kind of node."""


class Moments:
    """Folds the events of ``record`` and keeps what the page shows of each.

    Args:
        record: the search.
        texts: where the texts of steps and answers go.

    Raises:
        StoreError: the constants of the answer rules are damaged.
        ValueError: an event does not fit the tree.
    """

    def __init__(self, record: SearchRecord, texts: Texts) -> None:
        selections = sum(isinstance(event, Selected) for event in record.events)
        self.choices = Choices(record, selections)
        self.tree = Tree()
        self._texts = texts
        self._told = _AnswerSoFar(record, texts)
        self._shown: dict[int, list[Any]] = {}
        self._events = record.events
        self.events = [self._moment(place, event) for place, event in enumerate(record.events)]

    @property
    def answers_every(self) -> int:
        """Of so many events that can change the answer, one tells it; 1: each."""
        return self._told.every

    def _moment(self, place: int, event: Event) -> dict[str, Any]:
        """One event: its kind, its sentence, what it changed, why, and the answer if that is another one."""
        size = len(self.tree.nodes)
        why = None
        if isinstance(event, Selected):
            why = self.choices.describe(self.tree, event, self._events[:place])
        touched = self.tree.apply(event)
        joined = range(size, len(self.tree.nodes))
        parents = (self.tree.nodes[node].parent for node in joined)
        changed = sorted({*touched, *(parent for parent in parents if parent is not None)})
        moment: dict[str, Any] = {
            "kind": KINDS[type(event)],
            "says": describe(event, joined),
            "nodes": len(self.tree.nodes),
            "tokens": self.tree.cost.generated,
            "changes": [change for change in map(self._change, changed) if len(change) > 1],
        }
        why = self._why(event, touched, joined) if why is None else why
        if why is not None:
            moment["why"] = why
        if isinstance(event, Selected):
            moment["node"] = event.node
        return moment | self._told.after(self.tree, event, touched)

    def _change(self, number: int) -> list[Any]:
        """The number of a node and what is new: V, N, samples, score, kind and answer; None is unchanged."""
        node = self.tree.nodes[number]
        before = self._shown.get(number, [0.0, 0, 0, None, OPEN, None])
        now = self._shown[number] = _looks(node, self._texts)
        new = [None if was == one else one for was, one in zip(before, now, strict=True)]
        while new and new[-1] is None:
            new.pop()
        return [number, *new]

    def _why(self, event: Event, touched: Sequence[int], joined: range) -> dict[str, Any] | None:
        """What belongs to the event itself; what it changed is told by the changes."""
        if isinstance(event, Expanded):
            return {
                "samples": [
                    [node, count, int(node in joined)]
                    for node, count in zip(touched, event.samples, strict=True)
                ]
            }
        if isinstance(event, Extended):
            return {"samples": [[node, 1, int(node in joined)] for node in touched]}
        if isinstance(event, RolledOut):
            pairs = zip_longest(event.steps, map(short, event.values[: len(event.steps)]))
            steps = [[self._texts.number(step.text), value] for step, value in pairs]
            return {"best": short(event.best), "steps": steps}
        return None


def _looks(node: Node, texts: Texts) -> list[Any]:
    score = None if node.score is None else short(node.score)
    answer = None if node.answer is None else texts.number(node.answer)
    return [short(node.value), node.visits, node.samples, score, _kind(node), answer]


def _kind(node: Node) -> int:
    if node.finished:
        return FINISHED if node.correct is None else RIGHT if node.correct else WRONG
    return EXPANDED if node.expanded else OPEN


class _AnswerSoFar:
    """What a search would have answered after each event, by its own rule.

    Attributes:
        every: of so many events that can change the answer, one is looked at; 1: each.
    """

    def __init__(self, record: SearchRecord, texts: Texts) -> None:
        header = record.header
        self._rule = header.answer_by
        self._known = RULES.get(header.answer_by)
        self._constants = constants_of(header.settings)
        self._texts = texts
        self._last: Answer | None = None
        self._standings: list[Any] = []
        self._waiting = 0
        self._any = False
        self.every = 1 + len(record.events) * record.result.nodes // MOST_ANSWER_WORK

    def after(self, tree: Tree, event: Event, touched: Sequence[int]) -> dict[str, Any]:
        """The answer and how all answers stand after ``event``, as far as they are others than before."""
        if self._known is None or not self._matters(tree, event, touched):
            return {}
        self._waiting += 1
        if self._waiting < self.every and not isinstance(event, Stopped):
            return {}
        self._waiting = 0
        answer = self._known.run(tree, self._constants)
        rows = self._rows(tree)
        found: dict[str, Any] = {}
        if answer != self._last:
            found["answer"] = None if answer is None else self._answer(answer)
        if rows != self._standings:
            found["standings"] = rows
        self._last, self._standings = answer, rows
        return found

    def _matters(self, tree: Tree, event: Event, touched: Sequence[int]) -> bool:
        """Whether the event may change the answer: not before there is a solution."""
        if isinstance(event, Critiqued):
            self._any |= event.answer is not None
            return self._any
        if not self._any or isinstance(event, Selected | Verified):
            return False
        if isinstance(event, Stopped):
            return self._waiting > 0
        assert self._known is not None
        if self._known.reads == "path" or isinstance(event, Expanded | Extended):
            return True
        return any(tree.nodes[node].finished for node in touched)

    def _answer(self, answer: Answer) -> list[Any]:
        confidence = None if answer.confidence is None else short(answer.confidence)
        return [self._texts.number(answer.text), answer.node, confidence]

    def _rows(self, tree: Tree) -> list[Any]:
        """How the answers stand, the heaviest first; those left out are a last row without an answer."""
        found = tally(tree, self._rule, self._constants)
        rows: list[list[Any]] = [
            [
                self._texts.number(one.answer),
                None if one.weight is None else short(one.weight),
                None if one.share is None else short(one.share),
                len(one.nodes),
                one.nodes[0],
            ]
            for one in found[:MOST_ANSWERS]
        ]
        rest = found[MOST_ANSWERS:]
        if rest:
            rows.append([None, None, None, sum(len(one.nodes) for one in rest), None])
        return rows
