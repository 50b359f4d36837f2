"""Methods that search in passes: each begins at the root, and goes down one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, at_gate, draw_each, greedy_trace, grow_each
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Prefix
from restmcts.search.settings import GreedyFirst, Method
from store.events import Selected
from store.tree import Node

IDLE_PASSES = 10
"""A search ends after so many passes in a row that found nothing new."""


class Passes(GreedyFirst):
    """Settings of the methods that search in passes from the root."""

    attempts: int = Field(default=3, ge=1, description="how often an empty sample is drawn again")
    repeat: bool = Field(
        default=True,
        description="start again from the root with new samples while the token budget lasts",
    )

    @property
    def endless(self) -> bool:
        return self.repeat


def passes(
    recorder: Recorder, settings: Passes, one_pass: Callable[[], Moves], idle: int = IDLE_PASSES
) -> Moves:
    """Make passes until one ends the search; a greedy trace comes first if it is wanted.

    Args:
        one_pass: makes a pass, which returns an outcome if it ends the search, else None.
        idle: the search ends after so many passes in a row that found nothing new.
    """
    if settings.greedy_first:
        leaf: Node = yield from greedy_trace(recorder)
        if settings.early_stop and at_gate(leaf, settings):
            return Outcome("gate", leaf.id)
    left = idle
    while left:
        size = len(recorder.tree.nodes)
        ended: Outcome | None = yield from one_pass()
        if ended is not None:
            return ended
        if not settings.repeat:
            return Outcome("answered")
        left = left - 1 if len(recorder.tree.nodes) == size else idle
    return Outcome("exhausted")


def expand_each(recorder: Recorder, nodes: Sequence[Node], numbers: Sequence[int], attempts: int) -> Moves:
    """Sample next steps after each of several nodes at the same time, and let them join the tree.

    Args:
        nodes: the nodes to expand; one may stand there several times.
        numbers: how many steps to sample after each of them.
        attempts: how often an empty sample is drawn again.

    Returns:
        A list for each of ``nodes``: for every sampled step the child that it leads to, new or already there.
    """
    for node in nodes:
        recorder.emit(Selected(node.id))
    drawn = yield from draw_each([Prefix(node.id) for node in nodes], numbers, attempts)
    yield from grow_each(recorder, list(zip(nodes, drawn, strict=True)))
    children = []
    for node, steps in zip(nodes, drawn, strict=True):
        by_text = {child.step.text: child for child in recorder.tree.children(node.id) if child.step}
        children.append([by_text[step.text] for step in steps])
    return children


def ranked(drawn: Iterable[Iterable[Node]]) -> list[Node]:
    """The children of :func:`expand_each`, each once: the largest value first, then the earliest sampled."""
    once = {child.id: child for children in drawn for child in children}
    return sorted(once.values(), key=lambda node: -node.value)


def first_at_gate(nodes: Iterable[Node], settings: Method) -> Outcome | None:
    """The outcome of a search that stops at the first of ``nodes`` at the gate, if it may stop early."""
    if not settings.early_stop:
        return None
    return next((Outcome("gate", node.id) for node in nodes if at_gate(node, settings)), None)
