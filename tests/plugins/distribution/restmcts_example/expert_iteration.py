"""Expert iteration: a guided search is the expert that the policy learns from; the value model stays."""

from __future__ import annotations

from pydantic import Field

from restmcts.loops.phases import (
    accept_policy,
    base_policy,
    final_evaluation,
    search,
    select,
    train_policy,
    validate,
)
from restmcts.loops.registry import Loop
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.value_phases import first_value
from restmcts.settings import Settings
from restmcts.workers.base import Models


class ExpertIteration(Settings):
    """The settings of expert iteration."""

    searches: int = Field(default=1, ge=1, description="searches that the policy learns from, the last ones")


def expert_iteration(run: Run, settings: ExpertIteration) -> Evaluated | None:
    """Search with the first value model, and train the policy on what was found."""
    policy = base_policy(run)
    start = validate(run, policy)
    accuracy = start.accuracy
    value, _ = first_value(run, policy)
    found = []
    for iteration in run.iterations:
        found.append(search(run, iteration, Models(policy, value)))
        selected = select(run, iteration, found[-settings.searches :])
        trained = train_policy(run, iteration, selected, policy)
        accepted = accept_policy(run, iteration, trained, policy, accuracy)
        policy, accuracy = accepted.policy, accepted.carried_accuracy
    return final_evaluation(run, Models(policy, value), start.trace_tokens)


EXPERT_ITERATION = Loop(
    expert_iteration, "guided search, the policy learns from it, the value model stays", ExpertIteration
)
