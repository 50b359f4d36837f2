"""What `restmcts search` and `restmcts eval` do with a run: one phase each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from restmcts.errors import InputError
from restmcts.loops.checks import check_trainable
from restmcts.loops.results import Evaluated, Searched
from restmcts.loops.run import Run
from restmcts.loops.stored.models import models_of
from restmcts.loops.value_phases import first_value
from restmcts.loops.work.evaluating import evaluate, without_value
from restmcts.loops.work.searching import run_tasks, search_tasks
from restmcts.loops.work.sharing import (
    check_validation,
    fixed_budget,
    gates,
    largest_cap,
    search_validation,
    share,
    sharings,
)
from restmcts.problems.splits import Splits
from restmcts.recipe import Recipe
from restmcts.search.choice import EvaluatedMethod
from restmcts.search.registry import METHODS, needs_value
from restmcts.search.settings import Limits
from restmcts.workers.base import Models
from store.answering.rules import SURE
from store.merging.shards import PHASE, Shard


def check_value(recipe: Recipe, splits: Splits) -> None:
    """Refuse a method that needs a value model when there is none, and nothing to bootstrap one from.

    Raises:
        InputError: that is so.
    """
    method = recipe.generation.method
    if recipe.models.value_name or not needs_value(method, recipe.generation.build()):
        return
    if splits.train:
        check_trainable(recipe.models)
        return
    raise InputError(
        f"method {method!r} needs a value model: give one with --value, or other problems with answers as"
        " --train to bootstrap one from"
    )


def check_shard(recipe: Recipe, splits: Splits) -> Shard | None:
    """The shard that a recipe names, if it can be searched; None where it names none.

    Raises:
        InputError: there are more shards than problems, or each of them would bootstrap a value model.
    """
    if recipe.shard is None:
        return None
    shard = Shard.parse(recipe.shard)
    if shard.count > len(splits.test):
        raise InputError(
            f"--shard {shard}: there are {len(splits.test)} problems, so that some shards would have none;"
            f" take at most {len(splits.test)} shards"
        )
    generation = recipe.generation
    if not recipe.models.value_name and needs_value(generation.method, generation.build()):
        raise InputError(
            f"--shard {shard}: every shard would bootstrap a value model of its own: search with --limit 1"
            " and without --shard first, and give the folder checkpoints/0/value of that run as --value"
        )
    return shard


def search_problems(run: Run) -> Searched:
    """Bootstrap a value model if one is needed and missing, then search the test problems, or a shard."""
    generation = run.recipe.generation
    settings = generation.build()
    policy = run.recipe.models.policy_name or ""
    value = first_value(run, policy)[0] if needs_value(generation.method, settings) else None
    shard = check_shard(run.recipe, run.problems) or Shard(1, 1)
    problems = shard.of(run.problems.test)

    def work(phase: str) -> Searched:
        with run.workers(Models(policy, value)) as workers:
            tasks = search_tasks(
                run,
                phase,
                problems,
                generation.method,
                settings,
                budget=generation.budget,
                limits=generation.limits,
                first_number=shard.first,
                stride=shard.count,
            )
            return run_tasks(run, phase, tasks, workers)

    return run.phase(PHASE, "search", 0, Searched, work, searches=len(problems))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared on the test problems: methods at ``budgets`` (generated tokens).

    ``iteration``: the models of this iteration; None: the last ones. ``limits``: further limits of a search;
    None: those of the recipe.
    """

    methods: Sequence[EvaluatedMethod]
    budgets: Sequence[int]
    iteration: int | None
    limits: Limits | None = None


def compare_methods(run: Run, wanted: Comparison) -> Evaluated:
    """Compare search methods on the test problems; the same comparison is not made twice.

    What the problems say makes the name of the phase, and not where they were read from. So does the version
    of the distribution, or the content of the file, that a method from outside comes from. A comparison that
    was made on the first of these problems goes on with the others.

    Raises:
        InputError: the run has no such models, or a method needs a value model and there is none.
    """
    number, policy, value = models_of(run, wanted.iteration)
    methods = wanted.methods if value else [without_value(method) for method in wanted.methods]

    def work(phase: str) -> Evaluated:
        models, budgets = Models(policy, value), dict.fromkeys(wanted.budgets)
        problems = run.problems.test
        return evaluate(
            run,
            phase,
            number,
            models,
            methods,
            problems,
            budgets=budgets,
            limits=limits,
            extendable=True,
            ceilings=True,
        )

    limits = run.recipe.evaluation.limits if wanted.limits is None else wanted.limits
    compared = repr(([method.model_dump_json() for method in methods], list(wanted.budgets), number))
    if limits.given:
        compared += repr(limits.given)
    # Methods of this package are told apart by their settings alone, so that phases keep their names.
    added = METHODS.origins(choice.method for choice in methods if METHODS.is_added(choice.method))
    if added:
        compared += repr(added)
    searches = len(methods) * len(run.problems.test)
    return run.phase(_name(run, compared), "evaluate", number, Evaluated, work, searches=searches)


def share_budget(run: Run, wanted: Comparison) -> tuple[Evaluated, Evaluated]:
    """Compare methods at fixed budgets, and with one budget for all test problems that has the same mean.

    The budgets of ``wanted`` are the means, in generated tokens a problem. Thresholds and caps are chosen on
    validation problems.

    Returns:
        The evaluation at the fixed budgets, and that with the shared budget.

    Raises:
        InputError: as :func:`compare_methods`; or no method says how sure it is, or there are no validation
            problems.
    """
    number, policy, value = models_of(run, wanted.iteration)
    models = Models(policy, value)
    given = wanted.methods if value else [without_value(method) for method in wanted.methods]
    methods = [method for method in given if set(SURE) & set(read_by(method))]
    unsure = [method.method for method in given if method not in methods]
    if unsure and methods:
        run.progress.note(f"--budget-shared: {', '.join(unsure)} left out: their answers are no votes")
    means = sorted(set(wanted.budgets))
    shared = sharings(methods, means)
    problems = check_validation(run)
    fixed = compare_methods(run, Comparison(methods, means, number, wanted.limits))
    compared = repr(
        ([method.model_dump_json() for method in methods], means, number, run.problems.test, problems)
    )
    name = f"shared-{blake2b(compared.encode(), digest_size=8).hexdigest()}"

    def validate(phase: str) -> Searched:
        return search_validation(run, phase, models, methods, problems, largest_cap(means))

    searched = run.phase(f"{name}-validate", "evaluate", number, Searched, validate)

    def work(phase: str) -> Evaluated:
        chosen = gates(run, searched.phase, shared, len(methods))
        alike = partial(fixed_budget, run, fixed.phase, len(methods))
        return share(run, phase, number, models, shared, chosen, alike)

    return fixed, run.phase(name, "evaluate", number, Evaluated, work)


def read_by(method: EvaluatedMethod) -> list[str]:
    """The answer rules by which the trees of a method are read."""
    return list(method.answers) or [method.build().answer_by]


def _name(run: Run, compared: str) -> str:
    """The name of the phase of a comparison, made from what is compared and from the problems.

    A comparison of the first of the problems gives its name, the one of the most if there are several.
    """
    known = {phase.name for phase in run.writer.phases()}
    digest = blake2b(compared.encode(), digest_size=8)
    found = name = ""
    for problem in run.problems.test:
        digest.update(repr((problem, problem.examples) if problem.examples else problem).encode())
        name = f"eval-{digest.hexdigest()}"
        found = name if name in known else found
    return found or name
