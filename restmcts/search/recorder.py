"""The live side of a search: its tree and the events that made it."""

from __future__ import annotations

from dataclasses import replace

from store.events import FREE, Cost, Event
from store.tree import Node, Tree


class Recorder:
    """Applies events to a tree and keeps them; costs since the last event travel on the next one."""

    __slots__ = ("_pending", "events", "tree")

    def __init__(self) -> None:
        self.tree = Tree()
        self.events: list[Event] = []
        self._pending = FREE

    def spend(self, cost: Cost) -> None:
        """Add what a request took; it is recorded with the next event."""
        self._pending = cost if self._pending is FREE else self._pending + cost

    @property
    def cost(self) -> Cost:
        """What the search has taken so far, recorded or not yet."""
        return self.tree.cost + self._pending

    @property
    def unrecorded(self) -> Cost:
        """What was spent since the last event."""
        return self._pending

    def emit(self, event: Event) -> list[Node]:
        """Change the tree by ``event``; return the nodes that it touched."""
        if self._pending is not FREE:
            event = replace(event, cost=event.cost + self._pending)
            self._pending = FREE
        touched = self.tree.apply(event)
        self.events.append(event)
        return [self.tree.nodes[number] for number in touched]
