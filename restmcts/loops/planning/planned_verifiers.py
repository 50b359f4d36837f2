"""The phases of a comparison of verifiers (:mod:`restmcts.loops.verifiers`), with upper bounds."""

from __future__ import annotations

from collections.abc import Iterator

from restmcts.loops.planning.plan import PlannedPhase
from restmcts.loops.planning.planner import Planner
from restmcts.search.registry import method_settings


def verifier_phases(plan: Planner) -> Iterator[PlannedPhase]:
    """The phases in their order; verifiers value traces that were sampled for all of them."""
    recipe, own, counts = plan.recipe, plan.own, plan.counts
    if recipe.models.policy_name is None:
        yield PlannedPhase("0.train-policy", "train")
    yield plan.greedy("0.validate", counts.validation)
    traces = recipe.bootstrap.traces
    searched = _sampled(plan, "0.search", plan.bootstrapped, traces, "search")
    yield searched
    if any(verifier.trees == "completions" for verifier in own.verifiers):
        yield PlannedPhase("0.complete-steps", "search", plan.bootstrapped, searched.generated, 0)
    chains = None if plan.bootstrapped is None else plan.bootstrapped * traces
    if recipe.bootstrap.perturbed:
        copies = None if chains is None else chains * (1 + recipe.bootstrap.perturbed)
        yield plan.training("0.start-value", recipe.value_start, copies)
    for verifier in own.verifiers:
        training = recipe.value_training.model_copy(update=verifier.value_training)
        # Of completed solutions nobody knows how many there are.
        known = chains if verifier.trees == "bootstrap" else None
        yield PlannedPhase(f"0.label-{verifier.name}", "label")
        yield plan.training(f"0.train-{verifier.name}", training, known)
    splits = [
        _sampled(plan, f"{name}.sample", problems, own.samples, "evaluate")
        for name, problems in (("validation", counts.validation), ("test", plan.measured))
    ]
    yield from splits
    for verifier in own.verifiers:
        for sampled in splits:
            name = f"{sampled.name.removesuffix('.sample')}.value-{verifier.name}"
            yield PlannedPhase(name, "evaluate", sampled.searches, 0, sampled.generated)
    yield PlannedPhase("final.evaluate", "evaluate")


def _sampled(plan: Planner, name: str, problems: int | None, samples: int, kind: str) -> PlannedPhase:
    settings = method_settings("self-consistency", {"samples": samples}, name)
    return plan.search(name, problems, "self-consistency", settings, kind=kind)
