"""Moves from several nodes that run side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from random import Random
from typing import Any

from restmcts.search.moves import Moves
from restmcts.search.recorder import Recorder
from restmcts.search.requests import Begin, Follow, Followed, Request
from store.trace import Selected
from store.tree import Node


def side_by_side(
    recorder: Recorder,
    nodes: Sequence[Node],
    run: Callable[[Recorder, Node, Random], Generator[Request, Any, list[int]]],
    samples: int,
) -> Moves:
    """Make moves from each of ``nodes``, which sample ``samples`` steps each.

    Returns:
        A list of node numbers for each, as ``run`` returned it; None where the token budget ended it.
    """
    places: dict[int, int] = {}
    found: list[list[int] | None] = [None] * len(nodes)
    for place, node in enumerate(nodes):
        begin = Begin(node.id, run, samples, len(nodes) - place)
        while (moves := (yield begin)) is None:
            yield from _follow(places, found)
        recorder.emit(Selected(node.id))
        places[moves] = place
    while places:
        yield from _follow(places, found)
    return found


def _follow(places: dict[int, int], found: list[list[int] | None]) -> Moves:
    followed: Followed = yield Follow()
    found[places[followed.moves]] = followed.nodes
    if followed.ended:
        del places[followed.moves]
