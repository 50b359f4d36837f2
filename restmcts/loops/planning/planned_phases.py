"""The phases of a run before it is started, with upper bounds of what each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restmcts.loops.planning.plan import Counts, PlannedPhase, Sizes, priced
from restmcts.loops.planning.planned_verifiers import verifier_phases
from restmcts.loops.planning.planner import Planner, least
from restmcts.recipe import Recipe
from restmcts.search.registry import METHODS

ITERATING = ("rest-mcts", "rest-em", "self-rewarding", "step-pairs", "demonstrations")
"""The loops whose iterations are planned; of others, iteration 0 and the closing evaluation are."""

PLANNED = (*ITERATING, "verifiers")
"""The loops that are planned whole."""


def planned(recipe: Recipe, counts: Counts, sizes: Sizes) -> list[PlannedPhase]:
    """The phases of a run in their order, without time and disk for models of unknown size."""
    plan = Planner(recipe, counts)
    phases = verifier_phases(plan) if recipe.loop == "verifiers" else _phases(plan)
    return [priced(phase, sizes) for phase in phases]


def _phases(plan: Planner) -> Iterator[PlannedPhase]:
    recipe, counts = plan.recipe, plan.counts
    if recipe.models.policy_name is None:
        yield PlannedPhase("0.train-policy", "train")
    yield plan.greedy("0.validate", counts.validation)
    if plan.has_bootstrap:
        settings = METHODS["self-consistency"].settings.model_validate({"samples": recipe.bootstrap.traces})
        yield plan.search("0.search", plan.bootstrapped, "self-consistency", settings)
    if plan.own_value:
        yield from _first_value(plan)
    yield _measurement(plan, 0)
    for iteration in range(1, recipe.iterations + 1) if recipe.loop in ITERATING else ():
        yield from _iteration(plan, iteration)
    if recipe.evaluation.methods:
        yield _closing(plan)


def _first_value(plan: Planner) -> Iterator[PlannedPhase]:
    recipe, wanted, problems = plan.recipe, plan.recipe.bootstrap, plan.bootstrapped
    yield PlannedPhase("0.label", "label")
    chains = None if problems is None else problems * wanted.traces
    if wanted.perturbed:
        copies = None if chains is None else chains * (1 + wanted.perturbed)
        yield plan.training("0.start-value", recipe.value_start, copies)
    yield plan.training("0.train-value", recipe.value_training, chains)


def _iteration(plan: Planner, iteration: int) -> Iterator[PlannedPhase]:
    """The phases of an iteration of a loop that the package has."""
    recipe = plan.recipe
    learning = list(_policy(plan, iteration))
    yield from learning
    yield plan.greedy(f"{iteration}.validate", plan.counts.validation)
    if plan.valued:
        settings = recipe.value_update or recipe.value_training
        traces = plan.traces(iteration, recipe.labels.memory)
        yield plan.training(f"{iteration}.train-value", settings, traces)
    yield _measurement(plan, iteration)
    if recipe.control and recipe.loop != "demonstrations":
        updates = _sum([phase.updates for phase in learning if phase.kind == "train"])
        alike = recipe.policy_training.model_copy(update={"updates": updates})
        yield plan.training(f"{iteration}.train-control", alike, None)
        yield _together(f"{iteration}.evaluate-control", [plan.greedy("", plan.measured)])


def _policy(plan: Planner, iteration: int) -> Iterator[PlannedPhase]:
    """What a new policy is made by."""
    recipe = plan.recipe
    if recipe.loop == "demonstrations":
        yield plan.training(f"{iteration}.train-policy", recipe.policy_training, plan.counts.train)
        return
    yield from _tuning(plan, iteration)
    yield _generation(plan, iteration)
    if recipe.loop == "self-rewarding":
        yield from _self_rewarding(plan, iteration)
    else:
        yield from _learning(plan, iteration)


def _self_rewarding(plan: Planner, iteration: int) -> Iterator[PlannedPhase]:
    yield _judging(plan, iteration)
    yield PlannedPhase(f"{iteration}.pair", "label")
    yield plan.training(f"{iteration}.train-policy", plan.recipe.preference_training, plan.searched, texts=2)


def _learning(plan: Planner, iteration: int) -> Iterator[PlannedPhase]:
    """Labels, selection and training on traces; and on pairs of steps."""
    recipe = plan.recipe
    if plan.valued:
        yield PlannedPhase(f"{iteration}.label", "label")
    yield PlannedPhase(f"{iteration}.select", "label")
    if recipe.loop == "step-pairs":
        yield PlannedPhase(f"{iteration}.pair", "label")
    yield plan.training(f"{iteration}.train-policy", recipe.policy_training, plan.selected(iteration))
    if recipe.loop == "step-pairs":
        yield plan.training(
            f"{iteration}.train-preference", recipe.preference_training, _pairs(plan), texts=2
        )


def _pairs(plan: Planner) -> int | None:
    """The pairs of steps of an iteration: so many of each problem."""
    return None if plan.searched is None else plan.searched * int(plan.own.pairs)


def _tuning(plan: Planner, iteration: int) -> Iterator[PlannedPhase]:
    """The traces by which the temperature of an iteration is chosen, if it is."""
    wanted = plan.recipe.generation
    if wanted.temperatures:
        searches = wanted.tuning_problems * len(wanted.temperatures)
        settings = METHODS["self-consistency"].settings.model_validate({"samples": wanted.tuning_traces})
        yield plan.search(f"{iteration}.tune", searches, "self-consistency", settings)


def _generation(plan: Planner, iteration: int) -> PlannedPhase:
    """The search of training trees: that of the recipe, or as many traces as the loop samples."""
    method, settings, budget = plan.generation()
    limit, _ = plan.tokens()
    return plan.search(f"{iteration}.search", plan.searched, method, settings, budget, limit=limit)


def _judging(plan: Planner, iteration: int) -> PlannedPhase:
    """The judgements of a policy on its own traces; likelihoods cost no generated tokens."""
    own, (_, limit) = plan.own, plan.tokens()
    generated: int | None = 0
    if own.judge == "prompted":
        traces = None if plan.searched is None else plan.searched * own.samples
        generated = None if traces is None else traces * own.judgements * own.judge_tokens
        generated = least(generated, limit)
    return PlannedPhase(f"{iteration}.judge", "label", None, generated, 0)


def _measurement(plan: Planner, iteration: int) -> PlannedPhase:
    """Greedy decoding and the methods of each iteration on the test problems."""
    wanted = plan.recipe.evaluation
    budget = round(max(wanted.iteration_traces) * plan.recipe.sampling.trace_tokens)
    phases = [plan.greedy("", plan.measured)]
    phases += [
        plan.search("", plan.measured, choice.method, choice.build(), budget)
        for choice in wanted.each_iteration
    ]
    return _together(f"{iteration}.evaluate", phases)


def _closing(plan: Planner) -> PlannedPhase:
    wanted = plan.recipe.evaluation
    budget = round(max(wanted.traces, default=1.0) * plan.recipe.sampling.trace_tokens)
    phases = [
        plan.search("", plan.measured, choice.method, choice.build(), budget) for choice in wanted.methods
    ]
    return _together("final.evaluate", phases)


def _together(name: str, phases: Sequence[PlannedPhase]) -> PlannedPhase:
    return PlannedPhase(
        name,
        "evaluate",
        _sum([phase.searches for phase in phases]),
        _sum([phase.generated for phase in phases]),
        _sum([phase.valued for phase in phases]),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
