"""Searches made by hand, with events that fit each other as a real search's do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    Header,
    Result,
    RolledOut,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.selection import upper_confidence
from store.tree import Tree

SETTINGS = {"exploration": 0.4, "unvisited_bonus": 0.8, "branch": 3}


@dataclass
class Maker:
    """Plays a search with random values, move for move like MCTS*."""

    chance: random.Random
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))
    steps: int = 3
    """Steps of a whole solution."""
    answers: tuple[str, ...] = ("42", "17")
    tree: Tree = field(default_factory=Tree)
    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> list[int]:
        self.events.append(event)
        return self.tree.apply(event)

    def step(self, depth: int) -> Step:
        number = self.chance.randrange(1000)
        return Step(f"Step {depth}: take {number} and add {depth}.\n", (number, depth, 7), -0.25 * depth)

    def select(self) -> int:
        node = self.tree.root
        while node.children:
            above = max(node.visits, 1)
            exploration, bonus = self.settings["exploration"], self.settings["unvisited_bonus"]
            node = max(
                self.tree.children(node.id),
                key=lambda child: upper_confidence(child.value, child.visits, above, exploration, bonus),
            )
        self.emit(Selected(node.id))
        return node.id

    def round(self) -> None:
        node = self.select()
        depth = self.tree.nodes[node].depth
        finished = depth >= self.steps
        self.emit(Critiqued(node, finished, self.chance.choice(self.answers) if finished else None))
        if not finished:
            self.grow(node, depth + 1)
        self.back_up(node)

    def grow(self, node: int, depth: int) -> None:
        steps = tuple(self.step(depth) for _ in range(self.settings["branch"]))
        joined = self.emit(Expanded(node, steps, (1,) * len(steps), Cost(policy=30, prompt=90, calls=3)))
        values = tuple(round(self.chance.random(), 3) for _ in joined)
        self.emit(Valued(tuple(joined), values, Cost(value=120, calls=1)))
        best = max(joined, key=lambda child: self.tree.nodes[child].value)
        high = round(self.chance.random(), 3)
        value = 0.5 * self.tree.nodes[best].value + 0.5 * high
        path = (self.step(depth + 1), self.step(depth + 2))
        self.emit(RolledOut(best, path, (high, high / 2), high, value, 1, Cost(policy=20, value=80, calls=4)))

    def back_up(self, node: int) -> None:
        nodes, visits, values = [], [], []
        changed = dict[int, tuple[int, float]]()
        for above in self.tree.ancestors(node):
            pairs = [changed.get(c.id, (c.visits, c.value)) for c in self.tree.children(above.id)]
            total = sum(number for number, _ in pairs)
            value = sum(number * v for number, v in pairs) / total if total else above.value
            changed[above.id] = (above.visits + 1, value)
            nodes.append(above.id)
            visits.append(above.visits + 1)
            values.append(value)
        self.emit(BackedUp(tuple(nodes), tuple(visits), tuple(values)))

    def finish(self, oracle: str) -> None:
        finished = tuple(node.id for node in self.tree.finished())
        marks = tuple(self.tree.nodes[node].answer == oracle for node in finished)
        if finished:
            self.emit(Verified(finished, marks))
        best = max(self.tree.finished(), key=lambda node: node.value, default=None)
        self.emit(Stopped("rounds", best.id if best else None, best.answer if best else None))


def record(header: Header, events: list[Event], tree: Tree) -> SearchRecord:
    stopped = tree.stopped
    answer = None if stopped is None else stopped.answer
    correct = None if header.oracle is None else answer == header.oracle
    reason = "answered" if stopped is None else stopped.reason
    finished = len(tree.finished())
    result = Result(answer, correct, reason, tree.cost, len(tree.nodes), finished, 1.5)
    return SearchRecord(header, tuple(events), result)


def header(number: int, phase: str = "1.search", **fields: Any) -> Header:
    defaults: dict[str, Any] = {
        "problem": f"sum-{number:04}",
        "question": f"What is {number} plus {42 - number}?",
        "oracle": "42",
        "method": "mcts",
        "answer_by": "best-value",
        "seed": number,
        "policy": "base",
        "value": "1/value",
        "budget": 4000,
        "settings": dict(SETTINGS),
    }
    return Header(f"{phase}/{number}", phase, **(defaults | fields))


def mcts(number: int, phase: str = "1.search", *, rounds: int = 12, **fields: Any) -> SearchRecord:
    """A search of ``rounds`` rounds; the same number gives the same search."""
    maker = Maker(random.Random(number))
    for _ in range(rounds):
        maker.round()
    maker.finish("42")
    return record(header(number, phase, **fields), maker.events, maker.tree)


def votes(number: int, phase: str = "1.search", *, traces: int = 5, **fields: Any) -> SearchRecord:
    """Self-consistency: sampled traces, no value model, no selection."""
    maker = Maker(random.Random(number))
    for trace in range(traces):
        steps = tuple(Step(f"step {depth} of {trace % 3}\n", (depth, trace % 3)) for depth in range(3))
        last = maker.emit(Extended(0, steps, Cost(policy=40, calls=1)))[-1]
        maker.emit(Critiqued(last, True, maker.answers[trace % 2]))
    maker.finish("42")
    settings = {"traces": traces}
    fields = {"method": "votes", "answer_by": "majority", "value": None, "settings": settings} | fields
    return record(header(number, phase, **fields), maker.events, maker.tree)


def custom(number: int, *events: Event, **fields: Any) -> SearchRecord:
    """A search of exactly these events."""
    tree = Tree()
    for event in events:
        tree.apply(event)
    return record(header(number, **fields), list(events), tree)
