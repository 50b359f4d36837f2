"""Diverse verifier tree search (Beeching et al., "Scaling test-time compute with open models", 2024)."""

from __future__ import annotations

from random import Random

from pydantic import Field

from restmcts.search.moves import Moves, Outcome, at_gate, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Prefix
from restmcts.search.settings import Method, RuleName
from store.events import Selected


class Dvts(Method):
    """Independent subtrees, each of which follows its best step; their answers vote."""

    answer_by: RuleName = "value-vote"
    subtrees: int = Field(
        default=4,
        ge=0,
        description="how many subtrees; 0: until the token budget is spent",
    )
    branch: int = Field(default=4, ge=1, description="next steps sampled at an expansion")
    depth: int = Field(default=16, ge=1, description="most steps of a solution")
    attempts: int = Field(default=3, ge=1, description="how often an empty sample is drawn again")

    @property
    def endless(self) -> bool:
        return self.subtrees == 0


def dvts(recorder: Recorder, settings: Dvts, random: Random) -> Moves:
    """Search one subtree after the other, each from fresh first steps."""
    done = 0
    while settings.endless or done < settings.subtrees:
        size = len(recorder.tree.nodes)
        node = yield from _follow_best(recorder, settings)
        if settings.early_stop and at_gate(node, settings):
            return Outcome("gate", node.id)
        if settings.endless and len(recorder.tree.nodes) == size:
            return Outcome("exhausted")
        done += 1
    return Outcome("answered")


def _follow_best(recorder: Recorder, settings: Dvts) -> Moves:
    """Expand the child with the largest value until it is finished; returns the last node."""
    node = recorder.tree.root
    for _ in range(settings.depth):
        recorder.emit(Selected(node.id))
        steps = yield from draw_steps(Prefix(node.id), settings.branch, settings.attempts)
        children = yield from grow(recorder, node, steps)
        node = max(children, key=lambda child: child.value, default=node)
        if node.finished or not children:
            break
    return node


DVTS = SearchMethod(
    Dvts,
    dvts,
    "independent subtrees that follow their best step (DVTS)",
    answers=("value-vote", "majority"),
    evaluation={"early_stop": False, "subtrees": 0},
)
