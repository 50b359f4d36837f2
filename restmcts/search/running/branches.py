"""Moves that run beside a search, and how what they record joins it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

from restmcts.search.recorder import Recorder
from store.events import Critiqued, Event, Expanded, RolledOut, Valued
from store.tree import Tree


class Branch:
    """What moves from one node of a search record: they see the way down to it and all below it.

    Attributes:
        recorder: theirs, with a tree of its own.
        start: the number of the node in that tree.
    """

    def __init__(self, tree: Tree, node: int) -> None:
        self.recorder = Recorder()
        self.recorder.tree, numbers = tree.part(node)
        self.start = tree.nodes[node].depth
        self._numbers = dict(enumerate(numbers))
        self._joined = 0

    def join(self, search: Recorder, recorded: int) -> None:
        """Let the first ``recorded`` events join a search, those that have not yet.

        Where other moves found a node first, its score and its verdict stay.
        """
        for event in self.recorder.events[self._joined : recorded]:
            self._join(search, event)
        self._joined = recorded

    def here(self, nodes: Sequence[int]) -> list[int]:
        """The numbers that nodes of the branch have in the search that it joined."""
        return [self._numbers[node] for node in nodes]

    def _join(self, search: Recorder, event: Event) -> None:
        known = search.tree.nodes
        match event:
            case Expanded():
                joined = search.emit(replace(event, node=self._numbers[event.node]))
                children = self.recorder.tree.children(event.node)
                own = {child.step.text: child.id for child in children if child.step}
                pairs = zip(event.steps, joined, strict=True)
                self._numbers |= {own[step.text]: node.id for step, node in pairs}
            case Valued():
                nodes = self.here(event.nodes)
                fresh = [known[node].score is None for node in nodes]
                if not any(fresh):
                    search.spend(event.cost)
                    return
                values = tuple(compress(event.values, fresh))
                search.emit(replace(event, nodes=tuple(compress(nodes, fresh)), values=values))
            case Critiqued():
                node = self._numbers[event.node]
                if known[node].finished or (known[node].critiqued and not event.finished):
                    search.spend(event.cost)
                    return
                search.emit(replace(event, node=node))
            case RolledOut():
                search.emit(replace(event, node=self._numbers[event.node]))
            case _:
                raise TypeError(f"moves beside a search do not record {type(event).__name__}")
