"""ReST-MCTS*: self-training by tree search that is guided by a process reward model (paper, Algorithm 1).

0          base policy -> unguided trees -> labels -> V_0
1 … k      search with (policy, value) -> labels and traces -> train both -> measure
final      every method at every budget on the test problems
"""

from __future__ import annotations

from restmcts.loops.phases import (
    accept_policy,
    base_policy,
    final_evaluation,
    first_value,
    label,
    measure,
    measure_control,
    search,
    select,
    train_control,
    train_policy,
    train_value,
    validate,
)
from restmcts.loops.registry import Loop, NoSettings
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.workers.local import Models


def rest_mcts(run: Run, settings: NoSettings) -> Evaluated | None:
    """Search, infer step values, train policy and value model, again and again."""
    policy = control = base_policy(run)
    base = validate(run, policy)
    accuracy = base.accuracy
    value, memory = first_value(run, policy)
    measure(run, 0, Models(policy, value), base.trace_tokens)
    for iteration in run.iterations:
        searched = search(run, iteration, Models(policy, value))
        known = memory if run.recipe.labels.memory == "all" else []
        searches = [*(trees.search for trees in known), searched]
        memory = [*memory, label(run, iteration, searched)]
        selected = select(run, iteration, searches)
        trained = train_policy(run, iteration, selected, policy)
        accepted = accept_policy(run, iteration, trained, policy, accuracy)
        learned = [trees for trees in memory if trees.search in searches]
        value = train_value(run, iteration, learned, value, value).value
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        if run.recipe.control:
            control = train_control(run, iteration, control, trained.updates).checkpoint
        measure(run, iteration, Models(policy, value), base.trace_tokens)
        if run.recipe.control:
            measure_control(run, iteration, control)
    return final_evaluation(run, Models(policy, value), base.trace_tokens)


REST_MCTS = Loop(rest_mcts, "tree search by policy and value model, both trained on its trees (ReST-MCTS*)")
