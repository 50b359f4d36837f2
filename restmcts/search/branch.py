"""The recorder of a job, and how the events of the job join the search that started it."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

from restmcts.search.recorder import Recorder
from store.events import Critiqued, Event, Expanded, RolledOut, Valued
from store.tree import Tree


class Branch:
    """The recorder of a job that starts from one node of a search.

    Attributes:
        recorder: the recorder of the job; its tree holds copies of the nodes from the root to the start.
        start: the number of the start in that tree.
    """

    def __init__(self, tree: Tree, node: int) -> None:
        self.recorder = Recorder()
        self.recorder.tree = tree.line(node)
        self.start = tree.nodes[node].depth
        self._numbers = [member.id for member in (tree.root, *tree.path(node))]

    def join(self, search: Recorder, node: int | None) -> int | None:
        """Emit all events of the job in a search; return the number that ``node`` has there.

        A node that the search has found in the meantime keeps its score and its verdict.
        """
        for event in self.recorder.events:
            self._join(search, event)
        search.spend(self.recorder.unrecorded)
        return None if node is None else self._numbers[node]

    def _join(self, search: Recorder, event: Event) -> None:
        match event:
            case Expanded():
                self._expand(search, event)
            case Valued():
                self._value(search, event)
            case Critiqued():
                node = search.tree.nodes[self._numbers[event.node]]
                if node.finished or (node.critiqued and not event.finished):
                    search.spend(event.cost)
                else:
                    search.emit(replace(event, node=node.id))
            case RolledOut():
                search.emit(replace(event, node=self._numbers[event.node]))
            case _:
                raise TypeError(f"a job does not record {type(event).__name__}")

    def _expand(self, search: Recorder, event: Expanded) -> None:
        joined = search.emit(replace(event, node=self._numbers[event.node]))
        texts = {node.step.text: node.id for node in joined if node.step}
        new = self.recorder.tree.nodes[len(self._numbers) :]
        known = [texts.get(node.step.text) for node in new if node.step and node.parent == event.node]
        self._numbers += [number for number in known if number is not None]

    def _value(self, search: Recorder, event: Valued) -> None:
        nodes = [self._numbers[node] for node in event.nodes]
        fresh = [search.tree.nodes[node].score is None for node in nodes]
        if any(fresh):
            values = tuple(compress(event.values, fresh))
            search.emit(replace(event, nodes=tuple(compress(nodes, fresh)), values=values))
        else:
            search.spend(event.cost)
