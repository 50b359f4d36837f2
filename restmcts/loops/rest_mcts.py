"""ReST-MCTS*: self-training by tree search that is guided by a process reward model (paper, Algorithm 1).

0          base policy -> unguided trees -> labels -> V_0
1 … k      search with (policy, value) -> labels and traces -> train both -> measure
final      every method at every budget on the test problems
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from restmcts.loops.phases import (
    LabelledTrees,
    accept_policy,
    base_policy,
    control_arm,
    final_evaluation,
    label,
    measure,
    search,
    select,
    train_policy,
    validate,
)
from restmcts.loops.registry import Loop
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.value_phases import first_value, train_value
from restmcts.recipe import Recipe
from restmcts.settings import Settings
from restmcts.workers.base import Models


class RestMcts(Settings):
    """The settings of ReST-MCTS*."""

    from_base: bool = Field(
        default=False, description="train the policy from the base policy, not from the last one"
    )


def rest_mcts(run: Run, settings: RestMcts) -> Evaluated | None:
    """Search, infer step values, train policy and value model, again and again."""
    policy = first = control = base_policy(run)
    base = validate(run, policy)
    accuracy = base.accuracy
    value, memory = first_value(run, policy)
    measure(run, 0, Models(policy, value), base.trace_tokens)
    for iteration in run.iterations:
        searched = search(run, iteration, Models(policy, value))
        memory = [*memory, label(run, iteration, searched)]
        traces, labelled = learned_from(run.recipe, memory)
        selected = select(run, iteration, [trees.search for trees in traces])
        trained = train_policy(run, iteration, selected, first if settings.from_base else policy)
        accepted = accept_policy(run, iteration, trained, policy, accuracy)
        value = train_value(run, iteration, labelled, value, value).value
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        measure(run, iteration, Models(policy, value), base.trace_tokens)
        control = control_arm(run, iteration, control, trained.updates)
    return final_evaluation(run, Models(policy, value), base.trace_tokens)


def learned_from(
    recipe: Recipe, memory: Sequence[LabelledTrees]
) -> tuple[Sequence[LabelledTrees], Sequence[LabelledTrees]]:
    """Of all trees so far, the latest last, those that give traces, and those that train the value model."""
    of_labels = recipe.labels.memory
    of_traces = recipe.selection.memory or of_labels
    return (memory if of_traces == "all" else memory[-1:], memory if of_labels == "all" else memory[-1:])


REST_MCTS = Loop(
    rest_mcts, "tree search by policy and value model, both trained on its trees (ReST-MCTS*)", RestMcts
)
