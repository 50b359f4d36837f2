"""Tree-of-Thought: breadth-first and depth-first search over valued steps."""

from __future__ import annotations

from random import Random

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, at_gate, draw_each, grow_each
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Prefix
from restmcts.search.settings import Method
from store.events import Selected
from store.tree import Node


class TreeOfThought(Method):
    """Tree-of-Thought, breadth first or depth first (paper, Section 4.1: branch 3, keep 2, depth 8)."""

    branch: int = Field(default=3, ge=1, description="next steps sampled at an expansion")
    keep: int = Field(
        default=2,
        ge=1,
        description="nodes expanded at each depth, or children of a node that are followed",
    )
    depth: int = Field(default=8, ge=1, description="most steps of a solution")
    attempts: int = Field(default=3, ge=1, description="how often an empty sample is drawn again")
    repeat: bool = Field(
        default=True,
        description="start again from the root with new samples while the token budget lasts",
    )

    @property
    def endless(self) -> bool:
        return self.repeat


def breadth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Expand the best ``keep`` nodes of each depth; finished nodes leave the beam as answers."""
    while True:
        size = len(recorder.tree.nodes)
        beam = [recorder.tree.root]
        for _ in range(settings.depth):
            children: list[Node] = yield from _expand(recorder, beam, settings)
            ranked = sorted(children, key=_by_value)
            reached = _first_at_gate(ranked, settings)
            if reached is not None:
                return Outcome("gate", reached.id)
            beam = [node for node in ranked if not node.finished][: settings.keep]
        if not settings.repeat:
            return Outcome("answered")
        if len(recorder.tree.nodes) == size:
            return Outcome("exhausted")


def depth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Go down the best child first; at most ``keep`` children of a node are followed."""
    while True:
        size = len(recorder.tree.nodes)
        stack = [recorder.tree.root]
        while stack:
            node = stack.pop()
            children: list[Node] = yield from _expand(recorder, [node], settings)
            ranked = sorted(children, key=_by_value)
            reached = _first_at_gate(ranked, settings)
            if reached is not None:
                return Outcome("gate", reached.id)
            followed = [child for child in ranked if not child.finished][: settings.keep]
            if node.depth + 1 < settings.depth:
                stack.extend(reversed(followed))
        if not settings.repeat:
            return Outcome("answered")
        if len(recorder.tree.nodes) == size:
            return Outcome("exhausted")


def _by_value(node: Node) -> float:
    return -node.value


def _first_at_gate(ranked: list[Node], settings: TreeOfThought) -> Node | None:
    if not settings.early_stop:
        return None
    return next((node for node in ranked if at_gate(node, settings)), None)


def _expand(recorder: Recorder, nodes: list[Node], settings: TreeOfThought) -> Moves:
    """Expand several nodes at the same time; returns their children, new or already there, each once."""
    for node in nodes:
        recorder.emit(Selected(node.id))
    prefixes = [Prefix(node.id) for node in nodes]
    drawn = yield from draw_each(prefixes, settings.branch, settings.attempts)
    return (yield from grow_each(recorder, list(zip(nodes, drawn, strict=True))))


TOT_BFS = SearchMethod(TreeOfThought, breadth_first, "Tree-of-Thought, breadth first")
TOT_DFS = SearchMethod(TreeOfThought, depth_first, "Tree-of-Thought, depth first")
