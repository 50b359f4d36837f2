"""ReST-MCTS* with pairs of steps: what a tree says about wrong steps is learned from too.

0          base policy -> unguided trees -> labels -> V_0
1 … k      search with (policy, value) -> labels, traces and pairs of steps -> train the policy on the traces,
           then on the pairs; train the value model -> measure
final      every method at every budget on the test problems

A tree gives pairs of steps with the same beginning for nothing (SVPO, arXiv 2406.10858; Step-DPO,
arXiv 2406.18629). Here both steps of a pair are the policy's own, and the verified answers below them decide.
"""

from __future__ import annotations

from pydantic import Field

from restmcts.loops import phases, value_phases
from restmcts.loops.registry import Loop
from restmcts.loops.rest_mcts import RestMcts, learned_from
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.workers.base import Models


class StepPairs(RestMcts):
    """The settings of the loop."""

    pairs: int = Field(default=4, ge=1, description="pairs of steps of each problem in an iteration, at most")


def step_pairs(run: Run, settings: StepPairs) -> Evaluated | None:
    """Search, infer step values, train the policy on traces and on pairs of steps, and the value model."""
    policy = base = control = phases.base_policy(run)
    start = phases.validate(run, policy)
    accuracy = start.accuracy
    value, memory = value_phases.first_value(run, policy)
    phases.measure(run, 0, Models(policy, value), start.trace_tokens)
    for iteration in run.iterations:
        searched = phases.search(run, iteration, Models(policy, value))
        memory = [*memory, phases.label(run, iteration, searched)]
        traces, labelled = learned_from(run.recipe, memory)
        selected = phases.select(run, iteration, [trees.search for trees in traces])
        paired = phases.pair_steps(run, iteration, [trees.search for trees in traces], settings.pairs)
        parent = base if settings.from_base else policy
        supervised = phases.train_policy(run, iteration, selected, parent, role="supervised")
        trained = phases.train_preference(run, iteration, paired, supervised.checkpoint)
        accepted = phases.accept_policy(run, iteration, trained, policy, accuracy)
        value = value_phases.train_value(run, iteration, labelled, value, value).value
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        phases.measure(run, iteration, Models(policy, value), start.trace_tokens)
        updates = supervised.updates + trained.updates
        control = phases.control_arm(run, iteration, control, updates)
    return phases.final_evaluation(run, Models(policy, value), start.trace_tokens)


STEP_PAIRS = Loop(
    step_pairs, "as rest-mcts, and the policy learns to prefer right to wrong next steps (DPO)", StepPairs
)
