"""Restarts: sample first steps, and whole traces after the best of them."""

from random import Random

from pydantic import Field

from restmcts.search.methods.sampling import sample_below
from restmcts.search.moves import Moves, Outcome, at_gate, draw_steps, grow
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.requests import Prefix
from restmcts.search.settings import Method, RuleName


class BestFirstStep(Method):
    answer_by: RuleName = "value-vote"
    first_steps: int = Field(default=4, ge=1, description="first steps sampled at a restart")
    traces: int = Field(default=4, ge=1, description="whole traces sampled after the best of them")

    @property
    def endless(self) -> bool:
        return True


def best_first_step(recorder: Recorder, settings: BestFirstStep, random: Random) -> Moves:
    while True:
        steps = yield from draw_steps(Prefix(0), settings.first_steps, attempts=3)
        children = yield from grow(recorder, recorder.tree.root, steps)
        if not children:
            return Outcome("exhausted")
        best = max(children, key=lambda child: child.value)
        if settings.early_stop and at_gate(best, settings):
            return Outcome("gate", best.id)
        ended = yield from sample_below(recorder, settings, best, 0 if best.finished else settings.traces)
        if ended:
            return ended


BEST_FIRST_STEP = SearchMethod(BestFirstStep, best_first_step, "traces from the best of several first steps")
