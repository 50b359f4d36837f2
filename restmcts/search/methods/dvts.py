"""Diverse verifier tree search (Beeching et al., "Scaling test-time compute with open models", 2024)."""

from __future__ import annotations

from functools import partial
from random import Random

from pydantic import Field

from restmcts.search.moves import Moves
from restmcts.search.passes import Passes, expand_each, first_at_gate, passes, ranked
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.settings import RuleName
from store.tree import Node


class Dvts(Passes):
    """Independent subtrees, each of which follows its best step (branch 4 and depth 40 as published)."""

    answer_by: RuleName = "value-vote"
    subtrees: int = Field(
        default=4, ge=1, description="subtrees of a pass, which grow at the same time (N / M)"
    )
    branch: int = Field(default=4, ge=1, description="next steps sampled at an expansion (M)")
    depth: int = Field(default=40, ge=1, description="most steps of a solution")


def dvts(recorder: Recorder, settings: Dvts, random: Random) -> Moves:
    """Grow subtrees that know nothing of each other; each goes on from the best step that it has sampled."""
    return (yield from passes(recorder, settings, partial(_subtrees, recorder, settings)))


def _subtrees(recorder: Recorder, settings: Dvts) -> Moves:
    nodes = [recorder.tree.root] * settings.subtrees
    for _ in range(settings.depth):
        numbers = [settings.branch] * len(nodes)
        drawn: list[list[Node]] = yield from expand_each(recorder, nodes, numbers, settings.attempts)
        ended = first_at_gate(ranked(drawn), settings)
        if ended:
            return ended
        best = [max(children, key=lambda child: child.value) for children in drawn if children]
        nodes = [node for node in best if not node.finished]
        if not nodes:
            break
    return None


DVTS = SearchMethod(
    Dvts,
    dvts,
    "independent subtrees that follow their best step (DVTS)",
    answers=("value-vote", "best-value"),
    # Subtrees are independent: one after the other is the same search, and a small budget finishes some,
    # more of them where they are narrow.
    evaluation={"early_stop": False, "subtrees": 1, "branch": 2},
)
