"""Tree-of-Thought: breadth-first and depth-first search over valued steps."""

from __future__ import annotations

from functools import partial
from random import Random

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, at_gate, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Begin, Follow, Followed, Prefix
from restmcts.search.settings import Method
from store.events import Selected
from store.tree import Node


class TreeOfThought(Method):
    """Tree-of-Thought, breadth first or depth first (paper, Section 4.1: branch 3, keep 2, depth 8).

    ``repeat`` starts again from the root with fresh samples while the token budget lasts.
    """

    branch: int = Field(default=3, ge=1)
    keep: int = Field(default=2, ge=1)
    depth: int = Field(default=8, ge=1)
    attempts: int = Field(default=3, ge=1)
    repeat: bool = True

    @property
    def endless(self) -> bool:
        return self.repeat


def breadth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Expand the best ``keep`` nodes of each depth; finished nodes leave the beam as answers."""
    while True:
        size = len(recorder.tree.nodes)
        beam = [recorder.tree.root]
        for _ in range(settings.depth):
            grown = yield from _expand_all(recorder, beam, settings)
            found = {number: recorder.tree.nodes[number] for children in grown for number in children or ()}
            ranked = sorted(found.values(), key=_by_value)
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
            recorder.emit(Selected(node.id))
            grown = yield from _expand(recorder, node, random, settings)
            ranked = sorted((recorder.tree.nodes[number] for number in grown), key=_by_value)
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


def _expand(recorder: Recorder, node: Node, random: Random, settings: TreeOfThought) -> Moves:
    steps = yield from draw_steps(Prefix(node.id), settings.branch, settings.attempts)
    children: list[Node] = yield from grow(recorder, node, steps)
    return [child.id for child in children]


def _expand_all(recorder: Recorder, beam: list[Node], settings: TreeOfThought) -> Moves:
    """Expand the nodes of a beam side by side.

    Returns:
        The numbers of the children of each; None where the token budget ended its expansion.
    """
    run = partial(_expand, settings=settings)
    places: dict[int, int] = {}
    grown: list[list[int] | None] = [None] * len(beam)
    for place, node in enumerate(beam):
        begin = Begin(node.id, run, settings.branch, len(beam) - place)
        while (moves := (yield begin)) is None:
            yield from _follow(places, grown)
        recorder.emit(Selected(node.id))
        places[moves] = place
    while places:
        yield from _follow(places, grown)
    return grown


def _follow(places: dict[int, int], grown: list[list[int] | None]) -> Moves:
    followed: Followed = yield Follow()
    grown[places[followed.moves]] = followed.nodes
    if followed.ended:
        del places[followed.moves]


TOT_BFS = SearchMethod(TreeOfThought, breadth_first, "Tree-of-Thought, breadth first")
TOT_DFS = SearchMethod(TreeOfThought, depth_first, "Tree-of-Thought, depth first")
