"""ReST^EM: sample, keep what is correct, fine-tune the base policy (Singh et al., arXiv 2312.06585)."""

from __future__ import annotations

from pydantic import Field

from restmcts.loops import phases
from restmcts.loops.registry import Loop
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.work.searching import sampled_traces
from restmcts.settings import Settings
from restmcts.workers.base import Models


class RestEm(Settings):
    """The settings of ReST^EM."""

    samples: int = Field(default=32, ge=1, description="traces of each problem in an iteration (k)")
    from_base: bool = Field(default=True, description="train from the base policy, not from the last one")
    bootstrap: bool = Field(
        default=False,
        description=(
            "sample the unguided trees of `[bootstrap]` too, as loops with a value model do; the first"
            ' iteration learns from them, with `selection.memory = "all"` every one'
        ),
    )


def rest_em(run: Run, settings: RestEm) -> Evaluated | None:
    """Sample independent traces, and train on the correct ones; no value model takes part."""
    generation = sampled_traces(run.recipe.generation, settings.samples)
    policy = base = control = phases.base_policy(run)
    start = phases.validate(run, base)
    accuracy = start.accuracy
    memory = [phases.bootstrap(run, base)] if settings.bootstrap else []
    phases.measure(run, 0, Models(base), start.trace_tokens)
    for iteration in run.iterations:
        memory.append(phases.search(run, iteration, Models(policy), generation))
        latest = memory if iteration == 1 else memory[-1:]
        selected = phases.select(run, iteration, memory if run.recipe.selection.memory == "all" else latest)
        trained = phases.train_policy(run, iteration, selected, base if settings.from_base else policy)
        accepted = phases.accept_policy(run, iteration, trained, policy, accuracy)
        policy, accuracy = accepted.policy, accepted.carried_accuracy
        phases.measure(run, iteration, Models(policy), start.trace_tokens)
        control = phases.control_arm(run, iteration, control, trained.updates)
    return phases.final_evaluation(run, Models(policy), start.trace_tokens)


REST_EM = Loop(rest_em, "sample, keep the correct traces, train the base policy on them", RestEm, False)
