"""ReST-MCTS*: self-training by tree search that is guided by a process reward model (paper, Algorithm 1).

0          base policy -> unguided trees -> labels -> V_0
1 … k      search with (policy, value) -> labels and traces -> train both -> measure
final      every method at every budget on the test problems
"""

from __future__ import annotations

from restmcts.loops.checks import check_trainable
from restmcts.loops.phases import (
    LabelledTrees,
    Models,
    accept_policy,
    base_policy,
    bootstrap,
    final_evaluation,
    label,
    measure,
    measure_control,
    search,
    select,
    start_value_model,
    train_control,
    train_policy,
    train_value,
    validate,
)
from restmcts.loops.registry import Loop, NoSettings
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run


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


def first_value(run: Run, policy: str) -> tuple[str, list[LabelledTrees]]:
    """V_0, from unguided trees of the base policy; and the trees that value models learn from.

    Raises:
        InputError: a value model would have to be trained, and cannot be.
    """
    given = run.recipe.models.value_name
    if given is not None:
        return given, []
    check_trainable(run.recipe.models)
    searched = bootstrap(run, policy)
    trees = label(run, 0, searched)
    parent = policy
    if run.recipe.bootstrap.perturbed:
        parent = start_value_model(run, searched, policy).checkpoint
    return train_value(run, 0, [trees], parent, None).value, [trees]


REST_MCTS = Loop(rest_mcts, "tree search by policy and value model, both trained on its trees (ReST-MCTS*)")
