"""Self-Rewarding: the policy judges its own traces and learns to prefer the best (arXiv 2401.10020).

0          base policy
1 … k      sample traces -> the policy judges them -> best and worst of a problem are a pair -> DPO -> measure
final      every method without a value model on the test problems

The oracle answers take no part in the data of this loop. They only measure, on validation and test problems,
and say how often the chosen trace of a pair is right and the rejected one wrong.
"""

from __future__ import annotations

from pydantic import Field

from restmcts.loops import phases
from restmcts.loops.registry import Loop
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.work.searching import sampled_traces
from restmcts.loops.work.self_judgement import SelfJudgement
from restmcts.workers.base import Models


class SelfRewarding(SelfJudgement):
    """The settings of Self-Rewarding; the number of samples and of judgements are the authors' (4 and 3)."""

    samples: int = Field(default=4, ge=2, description="traces of each problem in an iteration")
    margin: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "the least difference between the best and the worst trace of a pair, as a share of all points or"
            " of likelihoods; equal ones are no pair in any case"
        ),
    )


def self_rewarding(run: Run, settings: SelfRewarding) -> Evaluated | None:
    """Sample, judge, pair the best with the worst, and train the last accepted policy to prefer the best."""
    sampling, judging = settings.split(run.recipe.generation.tokens)
    generation = sampled_traces(run.recipe.generation, settings.samples, sampling)
    policy = control = phases.base_policy(run)
    start = phases.validate(run, policy)
    accuracy = start.accuracy
    phases.measure(run, 0, Models(policy), start.trace_tokens)
    for iteration in run.iterations:
        searched = phases.search(run, iteration, Models(policy), generation)
        judged = phases.judge(run, iteration, searched, policy, settings, judging)
        paired = phases.pair_traces(run, iteration, judged, settings.margin)
        trained = phases.train_preference(run, iteration, paired, policy, name="train-policy")
        accepted = phases.accept_policy(run, iteration, trained, policy, accuracy)
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        phases.measure(run, iteration, Models(policy), start.trace_tokens)
        control = phases.control_arm(run, iteration, control, trained.updates)
    return phases.final_evaluation(run, Models(policy), start.trace_tokens)


SELF_REWARDING = Loop(
    self_rewarding,
    "the policy judges its own traces, and learns to prefer the best to the worst (DPO)",
    SelfRewarding,
    trains_value=False,
)
