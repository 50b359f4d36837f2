"""Tree-of-Thought: breadth-first and depth-first search over valued steps."""

from __future__ import annotations

from functools import partial
from random import Random

from pydantic import Field

from restmcts.search.moves import Moves
from restmcts.search.passes import Passes, expand_each, first_at_gate, passes, ranked
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from store.tree import Node


class TreeOfThought(Passes):
    """Tree-of-Thought, breadth first or depth first (paper, Section 4.1: branch 3, keep 2, depth 8)."""

    branch: int = Field(default=3, ge=1, description="next steps sampled at an expansion")
    keep: int = Field(
        default=2,
        ge=1,
        description="nodes expanded at each depth, or children of a node that are followed",
    )
    depth: int = Field(default=8, ge=1, description="most steps of a solution")


def breadth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Expand the best ``keep`` nodes of each depth; finished nodes leave the beam as answers."""
    return (yield from passes(recorder, settings, partial(_by_depth, recorder, settings), idle=1))


def _by_depth(recorder: Recorder, settings: TreeOfThought) -> Moves:
    beam = [recorder.tree.root]
    for _ in range(settings.depth):
        children: list[Node] = yield from _expand(recorder, beam, settings)
        ended = first_at_gate(children, settings)
        if ended:
            return ended
        beam = [node for node in children if not node.finished][: settings.keep]
    return None


def depth_first(recorder: Recorder, settings: TreeOfThought, random: Random) -> Moves:
    """Go down the best child first; at most ``keep`` children of a node are followed."""
    return (yield from passes(recorder, settings, partial(_best_first, recorder, settings), idle=1))


def _best_first(recorder: Recorder, settings: TreeOfThought) -> Moves:
    stack = [recorder.tree.root]
    while stack:
        node = stack.pop()
        children: list[Node] = yield from _expand(recorder, [node], settings)
        ended = first_at_gate(children, settings)
        if ended:
            return ended
        followed = [child for child in children if not child.finished][: settings.keep]
        if node.depth + 1 < settings.depth:
            stack.extend(reversed(followed))
    return None


def _expand(recorder: Recorder, nodes: list[Node], settings: TreeOfThought) -> Moves:
    """Expand several nodes at the same time; returns their children, the largest value first."""
    numbers = [settings.branch] * len(nodes)
    return ranked((yield from expand_each(recorder, nodes, numbers, settings.attempts)))


TOT_BFS = SearchMethod(TreeOfThought, breadth_first, "Tree-of-Thought, breadth first")
TOT_DFS = SearchMethod(TreeOfThought, depth_first, "Tree-of-Thought, depth first")
