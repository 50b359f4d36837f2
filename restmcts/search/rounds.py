"""Rounds of a tree search, one at a time or several in parallel."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Collection
from random import Random

from restmcts.search.moves import Moves
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Join, Start
from store.events import Selected
from store.tree import Node

Round = Callable[[Recorder, Node, Random], Moves]
"""Makes a round from a recorder, the selected node and a source of randomness; returns a node's number."""


class Rounds:
    """The rounds of a search.

    A selection counts the visits that running rounds will bring, and guesses no value for them: "Watch the
    Unobserved", Liu et al., ICLR 2020.

    Attributes:
        left: how many rounds may still be started.
        running: the nodes from which running rounds started, the oldest round first.
        pending_visits: the visits that running rounds will bring, by node.
    """

    def __init__(self, recorder: Recorder, random: Random, limit: int, parallel: int) -> None:
        """``limit`` 0 is no limit of rounds; ``parallel`` is the most that run at the same time."""
        self._recorder = recorder
        self._random = random
        self._parallel = parallel
        self.left = limit or sys.maxsize
        self.running: deque[int] = deque()
        self.pending_visits: Counter[int] = Counter()

    @property
    def full(self) -> bool:
        """Whether as many rounds run as may."""
        return len(self.running) == self._parallel

    def select(self, node: Node, exhausted: Collection[int]) -> None:
        """Count a round that starts from ``node``; the selection passed over ``exhausted`` nodes."""
        tree = self._recorder.tree
        parents = [tree.nodes[parent] for parent in self._line(node)[1:]]
        passed = [child for parent in parents for child in parent.children if child in exhausted]
        self._recorder.emit(Selected(node.id, tuple(self.running), tuple(passed)))
        self.left -= 1

    def begin(self, node: Node, exhausted: Collection[int], run: Round, samples: int) -> Moves:
        """Start a round from ``node``, or wait for the oldest one where the budget may not pay for both.

        A search that runs one round at a time makes the round itself, with its own seeds, as the code of the
        authors does.

        Returns:
            The node that a round returned if one has ended.
        """
        if self._parallel == 1:
            self.select(node, exhausted)
            end: int = yield from run(self._recorder, node, self._random)
            return self._recorder.tree.nodes[end]
        started: bool = yield Start(node.id, run, samples)
        if not started:
            return (yield from self.join())
        self.select(node, exhausted)
        self.running.append(node.id)
        self.pending_visits.update(self._line(node))
        return None

    def join(self) -> Moves:
        """Wait for the oldest round.

        Returns:
            The node that it returned; None where its share of the budget ended it.
        """
        end: int | None = yield Join()
        self.pending_visits -= Counter(self._line(self._recorder.tree.nodes[self.running.popleft()]))
        return None if end is None else self._recorder.tree.nodes[end]

    def _line(self, node: Node) -> list[int]:
        return [ancestor.id for ancestor in self._recorder.tree.ancestors(node.id)]
