"""The self-training loop of ReST-MCTS* (paper, Algorithm 1), phase by phase.

    0          base policy -> unguided trees -> labels -> V_0
    1 … k      search with (policy, value) -> labels and traces -> train both -> measure
    final      every method at every budget on the test problems

Each phase leaves a summary behind; a run that is started again skips what is done and goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError, PhaseError
from restmcts.iterate.context import Context, Summary
from restmcts.iterate.evaluating import GREEDY, budgets_in_tokens, evaluate_phase
from restmcts.iterate.labelling import BOOTSTRAP, label_phase, select_phase
from restmcts.iterate.searching import run_search_phase, search_tasks
from restmcts.iterate.training import (
    base_phase,
    control_phase,
    judge_value,
    label_of,
    policy_phase,
    record_checkpoint,
    start_phase,
    value_phase,
)
from restmcts.problems.problem import Problem
from restmcts.problems.splits import Splits
from restmcts.search.registry import method_settings
from restmcts.seeds import derive_seed
from store.records import PolicySample, ValueSample

ALMOST_CHANCE = 0.55
"""A value model that ranks good and bad steps no better than this gets a note, whatever the problems are."""


@dataclass(frozen=True, slots=True)
class Models:
    """The checkpoints that the next phase works with, and what they scored on validation."""

    policy: str
    value: str
    accuracy: float
    control: str


def run_loop(context: Context) -> Summary:
    """Run everything that is not done yet; returns the summary of the final evaluation.

    Raises:
        InputError: the value model cannot be trained further.
        PhaseError: a phase kept nothing or missed its target; what was done before is stored.
    """
    recipe = context.recipe
    check_trainable(recipe.models)
    base = base_policy(context)
    start = context.phase("0.validate", "search", 0, lambda: validate(context, "0.validate", base))
    check_base(context, start["accuracy"])
    value, searches = first_value(context, base)
    models = Models(base, value, start["accuracy"], base)
    measure(context, 0, models, start["trace_tokens"])
    for iteration in range(1, recipe.iterations + 1):
        models = iterate(context, iteration, models, searches)
        searches = [*searches, f"{iteration}.search"]
        measure(context, iteration, models, start["trace_tokens"])
    return final_evaluation(context, models, start["trace_tokens"])


def check_problems(problems: Splits) -> None:
    """Refuse to train without training problems.

    Raises:
        InputError: there are none.
    """
    if not problems.train:
        raise InputError("problems.train is missing: the loop needs a JSON Lines file of training problems")


def check_trainable(models: ModelSettings) -> None:
    """Refuse to train what is not here, or not of the kind that is trained here.

    Raises:
        InputError: a model is on a server, or the value model is a published process reward model.
    """
    if models.prm is not None:
        raise InputError(
            "models.prm: a published process reward model cannot be trained further, which the loop does; use"
            " it with `restmcts search`"
        )
    if fixed := [name for name in (models.engine, models.valued_by) if not ENGINES[name].trainable]:
        raise InputError(
            f"models of the engine {fixed[0]} cannot be trained: search with them by `restmcts search`"
            " and `restmcts eval`, or give a folder and the engine transformers or vllm"
        )


def base_policy(context: Context) -> str:
    """The policy that everything starts from: a given folder, or one that the data set makes."""
    given = context.recipe.models.policy_name
    if given is not None:
        return given
    trained = context.phase("0.train-policy", "train", 0, lambda: _base(context))
    return str(trained["checkpoint"])


def _base(context: Context) -> Summary:
    trained = base_phase(context, "0.train-policy")
    record_checkpoint(context, 0, "policy", trained, carried=True)
    return trained


def check_base(context: Context, accuracy: float) -> None:
    """Stop when the data set says that such a base policy will not do."""
    reason = context.data_set.check_policy(context.recipe.problems, accuracy)
    if reason is not None:
        raise PhaseError(
            f"0.validate: the base policy solves {accuracy:.0%} of the validation problems by greedy"
            f" decoding, {reason}"
        )


def first_value(context: Context, policy: str) -> tuple[str, list[str]]:
    """V_0, from unguided trees of the base policy; and the search phases that value models learn from."""
    given = context.recipe.models.value_name
    if given is not None:
        return given, []
    check_trainable(context.recipe.models)
    context.phase(BOOTSTRAP, "search", 0, lambda: bootstrap(context, BOOTSTRAP, policy))
    context.phase("0.label", "label", 0, lambda: label_phase(context, "0.label", BOOTSTRAP))
    parent = policy
    if context.recipe.bootstrap.perturbed:
        name = "0.start-value"
        started = context.phase(name, "train", 0, lambda: start_phase(context, name, BOOTSTRAP, policy))
        parent = started["checkpoint"]
    trained = context.phase(
        "0.train-value", "train", 0, lambda: _value(context, 0, [BOOTSTRAP], parent, None)
    )
    return str(trained["value"]), [BOOTSTRAP]


def bootstrap(context: Context, phase: str, policy: str) -> Summary:
    """Sample unguided traces of training problems; equal beginnings are merged into trees."""
    wanted = context.recipe.bootstrap
    problems = context.problems.train[: wanted.problems]
    with context.engines(policy, None) as engines:
        method, values = "self-consistency", {"samples": wanted.traces, "early_stop": False}
        settings = method_settings(method, values, "bootstrap")
        tasks = search_tasks(context, phase, problems, method, settings, engines)
        return run_search_phase(context, phase, tasks, engines)


def validate(context: Context, phase: str, policy: str) -> Summary:
    """Greedy accuracy on the validation problems, and the length of a trace."""
    with context.engines(policy, None) as engines:
        tasks = search_tasks(context, phase, context.problems.validation, "greedy", GREEDY.build(), engines)
        summary = run_search_phase(context, phase, tasks, engines)
    trees = summary["trees"]
    return summary | {
        "accuracy": summary["solved"] / trees,
        "trace_tokens": summary["policy_tokens"] / trees,
    }


def iterate(context: Context, number: int, models: Models, searches: Sequence[str]) -> Models:
    """One iteration: search, label, select, train; returns the models that are carried on."""
    search = f"{number}.search"
    context.phase(search, "search", number, lambda: generate(context, number, models))
    memory = [*searches, search] if context.recipe.labels.memory == "all" else [search]
    label, select = f"{number}.label", f"{number}.select"
    context.phase(label, "label", number, lambda: label_phase(context, label, search))
    context.phase(select, "label", number, lambda: select_phase(context, select, memory))
    name = f"{number}.train-policy"
    trained = context.phase(name, "train", number, lambda: _policy(context, number, models.policy))
    decided = context.phase(
        f"{number}.validate", "search", number, lambda: decide_policy(context, number, trained, models)
    )
    value = context.phase(
        f"{number}.train-value",
        "train",
        number,
        lambda: _value(context, number, memory, models.value, models.value),
    )
    control = models.control
    if context.recipe.control:
        summary = context.phase(
            f"{number}.train-control", "train", number, lambda: _control(context, number, models, trained)
        )
        control = summary["checkpoint"]
    return replace(
        models,
        policy=decided["policy"],
        accuracy=decided["carried_accuracy"],
        value=value["value"],
        control=control,
    )


def generate(context: Context, number: int, models: Models) -> Summary:
    """Search the training trees of an iteration with the policy and value model so far."""
    phase = f"{number}.search"
    generation = context.recipe.generation
    problems = context.problems.train
    if generation.problems is not None and generation.problems < len(problems):
        random = Random(derive_seed(context.recipe.seed, phase, "problems"))
        problems = random.sample(problems, generation.problems)
    with context.engines(models.policy, models.value) as engines:
        tasks = search_tasks(
            context,
            phase,
            problems,
            generation.method,
            generation.build(),
            engines,
            budget=generation.budget,
        )
        return run_search_phase(context, phase, tasks, engines)


def _policy(context: Context, number: int, parent: str) -> Summary:
    samples = [
        sample
        for sample in context.writer.read_samples(f"{number}.select")
        if isinstance(sample, PolicySample)
    ]
    return policy_phase(context, f"{number}.train-policy", number, samples, parent)


def _control(context: Context, number: int, models: Models, trained: Summary) -> Summary:
    summary = control_phase(
        context, f"{number}.train-control", number, models.control, int(trained["updates"])
    )
    record_checkpoint(context, number, "control", summary, carried=True)
    return summary


def decide_policy(context: Context, number: int, trained: Summary, models: Models) -> Summary:
    """Measure a new policy on validation; one that is worse than the one before is not carried on."""
    summary = validate(context, f"{number}.validate", trained["checkpoint"])
    carried = summary["accuracy"] >= models.accuracy
    record_checkpoint(
        context, number, "policy", trained, carried=carried, validation_accuracy=summary["accuracy"]
    )
    if not carried:
        context.progress.note(
            f"iteration {number}: the new policy solves {summary['accuracy']:.1%} of the validation problems,"
            f" the one before {models.accuracy:.1%}; it is kept in the store, but not carried on"
        )
    return summary | {
        "carried": carried,
        "policy": trained["checkpoint"] if carried else models.policy,
        "carried_accuracy": summary["accuracy"] if carried else models.accuracy,
    }


def _value(
    context: Context, number: int, searches: Sequence[str], parent: str, before: str | None
) -> Summary:
    """Train a value model, judge it on held-out trees, and decide whether it is carried on."""
    from restmcts.evaluation.value_report import value_report

    samples = [
        sample
        for search in searches
        for sample in context.writer.read_samples(label_of(search))
        if isinstance(sample, ValueSample)
    ]
    trained = value_phase(context, f"{number}.train-value", number, samples, parent)
    judged = judge_value(context, searches, trained["checkpoint"])
    if not judged:
        context.progress.note(
            f"iteration {number}: no held-out tree has a label; the value model is not judged"
        )
        record_checkpoint(context, number, "value", trained, carried=True)
        return trained | {"value": trained["checkpoint"], "carried": True}
    report = value_report(judged)
    figures = report.metrics()
    check_value(context, number, figures)
    error = report.squared_error.value
    earlier = None
    if before is not None:
        earlier = value_report(judge_value(context, searches, before)).squared_error.value
    carried = earlier is None or error <= earlier
    record_checkpoint(context, number, "value", trained, carried=carried, **figures)
    if not carried:
        context.progress.note(
            f"iteration {number}: the new value model misses held-out labels by {error:.4f} (squared), the"
            f" one before by {earlier:.4f}; it is kept in the store, but not carried on"
        )
    value = trained["checkpoint"] if carried or before is None else before
    return trained | figures | {"value": value, "carried": carried}


def check_value(context: Context, number: int, figures: dict[str, float]) -> None:
    """Stop where the data set says so, or make a note, when a value model ranks steps badly."""
    ranking = figures.get("auc")
    if ranking is None:
        return
    message = (
        f"{number}.train-value: the value model ranks good above bad steps with AUC {ranking:.2f} on held-out"
        " trees"
    )
    reason = context.data_set.check_value(context.recipe.problems, ranking)
    if reason is not None:
        raise PhaseError(f"{message}, {reason}")
    if ranking <= ALMOST_CHANCE:
        context.progress.note(f"{message}, about as well as chance; searches guided by it will not help")


def test_problems(context: Context) -> list[Problem]:
    return context.problems.test[: context.recipe.evaluation.problems]


def measure(context: Context, number: int, models: Models, trace_tokens: float) -> None:
    """Measure the models of an iteration on the test problems; nothing is decided by it."""
    evaluation = context.recipe.evaluation
    problems = test_problems(context)

    def work() -> Summary:
        with context.engines(models.policy, models.value) as engines:
            return evaluate_phase(
                context,
                f"{number}.evaluate",
                number,
                engines,
                [GREEDY, *evaluation.each_iteration],
                problems,
                budgets=budgets_in_tokens([evaluation.iteration_traces], trace_tokens),
            )

    context.phase(f"{number}.evaluate", "evaluate", number, work)
    if context.recipe.control and number > 0:
        name = f"{number}.evaluate-control"
        context.phase(
            name, "evaluate", number, lambda: measure_control(context, name, number, models, problems)
        )


def measure_control(
    context: Context, phase: str, number: int, models: Models, problems: Sequence[Problem]
) -> Summary:
    """Greedy accuracy of the control arm on the test problems."""
    with context.engines(models.control, None) as engines:
        return evaluate_phase(
            context,
            phase,
            number,
            engines,
            [GREEDY],
            problems,
            budgets={},
            label="greedy, demonstrations only",
        )


def final_evaluation(context: Context, models: Models, trace_tokens: float) -> Summary:
    """Every method at every budget on the test problems, with the models of the last iteration."""
    evaluation = context.recipe.evaluation
    if not evaluation.methods:
        return {}

    def work() -> Summary:
        with context.engines(models.policy, models.value) as engines:
            return evaluate_phase(
                context,
                "final.evaluate",
                context.recipe.iterations,
                engines,
                evaluation.methods,
                test_problems(context),
                budgets=budgets_in_tokens(evaluation.traces, trace_tokens),
            )

    return context.phase("final.evaluate", "evaluate", context.recipe.iterations, work)
