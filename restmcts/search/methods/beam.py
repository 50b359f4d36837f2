"""Beam search over steps, guided by a value model (Snell et al., arXiv 2408.03314, Section 5)."""

from __future__ import annotations

from functools import partial
from random import Random

from pydantic import Field, model_validator

from restmcts.search.moves import Moves
from restmcts.search.passes import Passes, expand_each, first_at_gate, passes, ranked
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.settings import RuleName


class BeamSearch(Passes):
    """Beam search over steps (branch 4 and depth 40 as in the paper)."""

    answer_by: RuleName = "value-vote"
    width: int = Field(
        default=16,
        ge=1,
        description="steps sampled at each depth (N); the best `width // branch` of them are kept",
    )
    branch: int = Field(
        default=4, ge=1, description="next steps sampled after each partial solution that is kept (M)"
    )
    depth: int = Field(default=40, ge=1, description="most steps of a solution")

    @model_validator(mode="after")
    def _keeps_one(self) -> BeamSearch:
        if self.width < self.branch:
            raise ValueError(f"width {self.width} is below branch {self.branch}: nothing would be kept")
        return self


def beam_search(recorder: Recorder, settings: BeamSearch, random: Random) -> Moves:
    """Keep the best partial solutions of each depth; a finished one keeps its place in the beam."""
    return (yield from passes(recorder, settings, partial(_one_beam, recorder, settings)))


def _one_beam(recorder: Recorder, settings: BeamSearch) -> Moves:
    beam, numbers = [recorder.tree.root], [settings.width]
    places = settings.width // settings.branch
    for _ in range(settings.depth):
        children = ranked((yield from expand_each(recorder, beam, numbers, settings.attempts)))
        ended = first_at_gate(children, settings)
        if ended:
            return ended
        kept = children[:places]
        beam = [node for node in kept if not node.finished]
        numbers = [settings.branch] * len(beam)
        places -= len(kept) - len(beam)
        if not beam:
            break
    return None


BEAM = SearchMethod(
    BeamSearch,
    beam_search,
    "beam search over valued steps",
    answers=("value-vote", "best-value"),
    # A pass takes as many traces as it is wide: a wide one finishes nothing at small budgets.
    evaluation={"early_stop": False, "width": 4, "branch": 2},
)
