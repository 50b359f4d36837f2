"""Tree-of-Thought: breadth-first and depth-first search over valued steps."""

from __future__ import annotations

from functools import partial
from random import Random

from restmcts.search.moves import Moves, Outcome, at_gate, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Prefix
from restmcts.search.settings import TreeOfThought
from restmcts.search.side_by_side import side_by_side
from store.trace import Selected
from store.tree import Node


def breadth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Expand the best ``keep`` nodes of each depth; finished nodes leave the beam as answers."""
    while True:
        size = len(recorder.tree.nodes)
        beam = [recorder.tree.root]
        for _ in range(settings.depth):
            expand = partial(_expand, settings=settings)
            grown = yield from side_by_side(recorder, beam, expand, settings.branch)
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
