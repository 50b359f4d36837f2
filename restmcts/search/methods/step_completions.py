"""Completions of every step of sampled solutions, which label the steps (MATH-SHEPHERD, arXiv 2312.08935)."""

from __future__ import annotations

from random import Random

from pydantic import Field

from restmcts.search.methods.sampling import UNLIMITED, reads_values, sample_below
from restmcts.search.moves import Moves, Outcome
from restmcts.search.recorder import Recorder
from restmcts.search.registry import SearchMethod
from restmcts.search.settings import Method, RuleName


class StepCompletions(Method):
    """Completions of the steps of sampled solutions (15 solutions and 8 completions, as in the paper)."""

    answer_by: RuleName = "majority"
    traces: int = Field(
        default=15, ge=0, description="solutions to sample; 0: until the token budget is spent"
    )
    completions: int = Field(
        default=8, ge=1, description="whole traces to sample from the end of each step of a solution"
    )

    @property
    def endless(self) -> bool:
        return self.traces == 0


def step_completions(recorder: Recorder, settings: StepCompletions, random: Random) -> Moves:
    """Sample a solution, then completions of its steps, first step to last; then the next solution.

    A step that an earlier solution begins with too is completed once, a finished solution not at all.
    """
    tree = recorder.tree
    for number in range(settings.traces or UNLIMITED):
        ended: Outcome | None = yield from sample_below(recorder, settings, tree.root, 1)
        solutions = tree.traces.get(0, [])
        if ended or len(solutions) == number:
            return ended or Outcome("samples")
        for node in tree.path(solutions[-1]):
            if node.id not in tree.traces and not node.finished:
                ended = yield from sample_below(recorder, settings, node, settings.completions)
                if ended:
                    return ended
    return Outcome("samples")


STEP_COMPLETIONS = SearchMethod(
    StepCompletions,
    step_completions,
    "traces sampled from every step of sampled solutions, to label the steps by",
    values=reads_values,
    evaluation={"early_stop": False, "traces": 0},
)
