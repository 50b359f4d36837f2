"""The phases of a run before it is started, with upper bounds of what each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

from restmcts.loops.planning.plan import Counts, PlannedPhase, Sizes, adapted, priced
from restmcts.loops.registry import LOOPS
from restmcts.recipe import Recipe
from restmcts.search.registry import METHODS, needs_value
from restmcts.search.settings import Method
from restmcts.training.settings import TrainingSettings

PLANNED = ("rest-mcts", "rest-em", "self-rewarding", "step-pairs", "demonstrations")
"""The loops whose iterations are planned; of others, iteration 0 and the closing evaluation are."""


def planned(recipe: Recipe, counts: Counts, sizes: Sizes) -> list[PlannedPhase]:
    """The phases of a run in their order, without time and disk for models of unknown size."""
    phases = list(_phases(_Planner(recipe, counts)))
    return [priced(phase, sizes) for phase in phases]


def most_generated(method: str, settings: Method, budget: int | None, recipe: Recipe) -> int | None:
    """The most tokens that a search may generate; None: neither a budget nor its settings bound it."""
    step, trace = recipe.sampling.step_tokens, recipe.sampling.trace_tokens
    bound = _bound(method, settings, step, trace)
    known = [tokens for tokens in (bound, budget) if tokens is not None]
    return min(known) if known else None


def _bound(method: str, settings: Method, step: int, trace: int) -> int | None:
    """What the settings of a method allow without a budget, in tokens."""
    if METHODS[method].one_trace:
        return trace
    known = settings.model_dump()
    if samples := known.get("samples"):
        return int(samples) * trace
    if (rounds := known.get("rounds")) and "rollout_steps" in known:
        in_a_round = known["branch"] + known["rollout_steps"] * known["rollout_branch"]
        return int(rounds) * int(in_a_round) * step
    return None


def most_traces(method: str, settings: Method) -> int | None:
    """The most chains from the root to a leaf that a tree may have; None: no setting bounds them."""
    known = settings.model_dump()
    if samples := known.get("samples"):
        return int(samples)
    if (rounds := known.get("rounds")) and "branch" in known:
        return int(rounds) * int(known["branch"])
    return None


class _Planner:
    """The parts of a plan that several phases need."""

    def __init__(self, recipe: Recipe, counts: Counts) -> None:
        self.recipe = recipe
        self.counts = counts
        self.valued = LOOPS[recipe.loop].trains_value
        self.own_value = recipe.models.value_name is None and self.valued
        self.has_bootstrap = self.own_value or bool(getattr(self.own, "bootstrap", False))

    def search(
        self,
        name: str,
        problems: int | None,
        method: str,
        settings: Method,
        budget: int | None = None,
        *,
        kind: str = "search",
        limit: int | None = None,
    ) -> PlannedPhase:
        """Searches of problems; ``limit``: what all of them may generate together."""
        each = most_generated(method, settings, budget, self.recipe)
        generated = None if each is None or problems is None else each * problems
        if limit is not None:
            generated = limit if generated is None else min(limit, generated)
        valued = generated if self.valued and needs_value(method, settings) else 0
        return PlannedPhase(name, kind, problems, generated, valued)

    def greedy(self, name: str, problems: int | None) -> PlannedPhase:
        """Greedy traces of held-out problems."""
        return self.search(name, problems, "greedy", METHODS["greedy"].settings())

    def training(
        self, name: str, settings: TrainingSettings, samples: int | None, *, texts: int = 1
    ) -> PlannedPhase:
        """A training on so many samples of ``texts`` texts, each as long as it may be."""
        batch = settings.batch_size * settings.gradient_accumulation
        updates = settings.updates
        if updates is None and samples is not None:
            updates = ceil(settings.epochs * samples / batch)
        trained = None if updates is None else updates * batch * texts * settings.max_length
        dtype = None if adapted(settings) else settings.dtype
        return PlannedPhase(name, "train", None, None, None, samples, updates, trained, dtype=dtype)

    @property
    def bootstrapped(self) -> int | None:
        """The training problems of the bootstrap."""
        return _least(self.recipe.bootstrap.problems, self.counts.train)

    @property
    def searched(self) -> int | None:
        """The training problems of an iteration."""
        return _least(self.recipe.generation.problems, self.counts.train)

    @property
    def measured(self) -> int | None:
        """The test problems that are measured on."""
        return _least(self.recipe.evaluation.problems, self.counts.test)

    @property
    def own(self) -> Any:
        """The settings of the loop."""
        return LOOPS[self.recipe.loop].settings.model_validate(self.recipe.loop_settings)

    def generation(self) -> tuple[str, Method, int | None]:
        """The method of the training trees, its settings, and the budget of a tree."""
        recipe, samples = self.recipe, getattr(self.own, "samples", None)
        if samples is None:
            return recipe.generation.method, recipe.generation.build(), recipe.generation.budget
        settings = METHODS["self-consistency"].settings.model_validate({"samples": samples})
        return "self-consistency", settings, None

    def tokens(self) -> tuple[int | None, int | None]:
        """What an iteration may generate to search, and what it may generate to judge."""
        tokens = self.recipe.generation.tokens
        if self.recipe.loop != "self-rewarding":
            return tokens, None
        sampling, judging = self.own.split(tokens)
        return sampling, judging

    def trees(self, iteration: int, memory: str) -> tuple[int | None, int | None]:
        """The trees of the bootstrap, and of iterations, that a model of an iteration learns from."""
        everything = memory == "all"
        first = self.bootstrapped if everything or (iteration == 1 and not self.valued) else 0
        later = None if self.searched is None else self.searched * (iteration if everything else 1)
        return (first if self.has_bootstrap else 0), later

    def traces(self, iteration: int, memory: str) -> int | None:
        """The chains of these trees."""
        each = most_traces(*self.generation()[:2])
        first, later = self.trees(iteration, memory)
        if each is None or first is None or later is None:
            return None
        return first * self.recipe.bootstrap.traces + later * each

    def selected(self, iteration: int) -> int | None:
        """The traces that a policy learns from; each tree may be of another problem."""
        wanted = self.recipe.selection
        memory = wanted.memory or (self.recipe.labels.memory if self.valued else "latest")
        first, later = self.trees(iteration, memory)
        by_rank = None
        if wanted.by != "threshold" and first is not None and later is not None:
            by_rank = (first + later) * wanted.top
        kept = _least(by_rank, self.traces(iteration, memory))
        return None if kept is None else ceil(kept * (1 + wanted.demonstrations))


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def _phases(plan: _Planner) -> Iterator[PlannedPhase]:
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
    for iteration in range(1, recipe.iterations + 1) if recipe.loop in PLANNED else ():
        yield from _iteration(plan, iteration)
    if recipe.evaluation.methods:
        yield _closing(plan)


def _first_value(plan: _Planner) -> Iterator[PlannedPhase]:
    recipe, wanted, problems = plan.recipe, plan.recipe.bootstrap, plan.bootstrapped
    yield PlannedPhase("0.label", "label")
    chains = None if problems is None else problems * wanted.traces
    if wanted.perturbed:
        copies = None if chains is None else chains * (1 + wanted.perturbed)
        yield plan.training("0.start-value", recipe.value_start, copies)
    yield plan.training("0.train-value", recipe.value_training, chains)


def _iteration(plan: _Planner, iteration: int) -> Iterator[PlannedPhase]:
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


def _policy(plan: _Planner, iteration: int) -> Iterator[PlannedPhase]:
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


def _self_rewarding(plan: _Planner, iteration: int) -> Iterator[PlannedPhase]:
    yield _judging(plan, iteration)
    yield PlannedPhase(f"{iteration}.pair", "label")
    yield plan.training(f"{iteration}.train-policy", plan.recipe.preference_training, plan.searched, texts=2)


def _learning(plan: _Planner, iteration: int) -> Iterator[PlannedPhase]:
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


def _pairs(plan: _Planner) -> int | None:
    """The pairs of steps of an iteration: so many of each problem."""
    return None if plan.searched is None else plan.searched * int(plan.own.pairs)


def _tuning(plan: _Planner, iteration: int) -> Iterator[PlannedPhase]:
    """The traces by which the temperature of an iteration is chosen, if it is."""
    wanted = plan.recipe.generation
    if wanted.temperatures:
        searches = wanted.tuning_problems * len(wanted.temperatures)
        settings = METHODS["self-consistency"].settings.model_validate({"samples": wanted.tuning_traces})
        yield plan.search(f"{iteration}.tune", searches, "self-consistency", settings)


def _generation(plan: _Planner, iteration: int) -> PlannedPhase:
    """The search of training trees: that of the recipe, or as many traces as the loop samples."""
    method, settings, budget = plan.generation()
    limit, _ = plan.tokens()
    return plan.search(f"{iteration}.search", plan.searched, method, settings, budget, limit=limit)


def _judging(plan: _Planner, iteration: int) -> PlannedPhase:
    """The judgements of a policy on its own traces; likelihoods cost no generated tokens."""
    own, (_, limit) = plan.own, plan.tokens()
    generated: int | None = 0
    if own.judge == "prompted":
        traces = None if plan.searched is None else plan.searched * own.samples
        generated = None if traces is None else traces * own.judgements * own.judge_tokens
        generated = _least(generated, limit)
    return PlannedPhase(f"{iteration}.judge", "label", None, generated, 0)


def _measurement(plan: _Planner, iteration: int) -> PlannedPhase:
    """Greedy decoding and the methods of each iteration on the test problems."""
    wanted = plan.recipe.evaluation
    budget = round(max(wanted.iteration_traces) * plan.recipe.sampling.trace_tokens)
    phases = [plan.greedy("", plan.measured)]
    phases += [
        plan.search("", plan.measured, choice.method, choice.build(), budget)
        for choice in wanted.each_iteration
    ]
    return _together(f"{iteration}.evaluate", phases)


def _closing(plan: _Planner) -> PlannedPhase:
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
