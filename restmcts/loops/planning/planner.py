"""Upper bounds of what the searches and trainings of a recipe take: the parts that plans of loops share."""

from __future__ import annotations

from math import ceil
from typing import Any

from restmcts.loops.planning.plan import Counts, PlannedPhase, adapted
from restmcts.loops.registry import LOOPS
from restmcts.recipe import Recipe
from restmcts.search.registry import METHODS, needs_value
from restmcts.search.settings import Method
from restmcts.training.settings import TrainingSettings


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


class Planner:
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
        return least(self.recipe.bootstrap.problems, self.counts.train)

    @property
    def searched(self) -> int | None:
        """The training problems of an iteration."""
        return least(self.recipe.generation.problems, self.counts.train)

    @property
    def measured(self) -> int | None:
        """The test problems that are measured on."""
        return least(self.recipe.evaluation.problems, self.counts.test)

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
        kept = least(by_rank, self.traces(iteration, memory))
        return None if kept is None else ceil(kept * (1 + wanted.demonstrations))


def least(*counts: int | None) -> int | None:
    """The smallest of the counts that are known; None where none is."""
    return min((count for count in counts if count is not None), default=None)
