"""What a loop needs, looked at before a run is made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from restmcts.engines.examination import check_plain_weights
from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError, PhaseError
from restmcts.loops.registry import LOOPS, loop_settings
from restmcts.loops.work.evaluating import without_value
from restmcts.problems.splits import Splits, plain_text
from restmcts.recipe import EvaluationSettings, Recipe
from restmcts.settings import Settings


def check_loop(recipe: Recipe) -> Settings:
    """The checked settings of the loop that a recipe names, if the rest of the recipe fits the loop.

    Raises:
        InputError: it does not; see :func:`check_trainable` and :func:`check_methods`. Or the tokens of an
            iteration pay for no guided search, or it names a shard.
    """
    settings = loop_settings(recipe)
    if recipe.shard is not None:
        raise InputError("shard: a loop learns from all of its searches; `restmcts search` takes a shard")
    check_trainable(recipe.models)
    if LOOPS[recipe.loop].trains_value:
        recipe.generation.budget_within(recipe.sampling.trace_tokens)
    else:
        check_methods(recipe.evaluation)
    return settings


def check_problems(problems: Splits) -> None:
    """Refuse to train without training problems.

    Raises:
        InputError: there are none.
    """
    if not problems.train:
        raise InputError(
            "problems.train is missing: the loop needs training problems, from a file or a data set"
            ' that has some (data_set = "combined" takes them from another set)'
        )


def check_apart_from_measured(splits: Splits, phase: str, prompts: Iterable[str]) -> None:
    """Refuse to train on a problem that is measured on; spaces and case of its text do not count.

    Raises:
        PhaseError: names the first such problem of the validation or test problems.
    """
    measured = {plain_text(problem.text): problem.id for problem in (*splits.validation, *splits.test)}
    for prompt in dict.fromkeys(prompts):
        found = measured.get(plain_text(prompt))
        if found is not None:
            raise PhaseError(
                f"{phase}: the samples to train on hold the problem {found!r}, which is measured on: the"
                " samples or the problems of this run were changed; start a new run"
            )


def check_methods(evaluation: EvaluationSettings) -> None:
    """Refuse to measure by methods that need a value model, for a loop that has none.

    Raises:
        InputError: names the first such method.
    """
    for method in (*evaluation.each_iteration, *evaluation.methods):
        without_value(method)


def check_trainable(models: ModelSettings) -> None:
    """Refuse to train what is not here, or not of the kind that is trained here.

    Raises:
        InputError: a model is on a server, its weights are quantised, the value model is a published process
            reward model, or the prompts are not those that a checkpoint would have.
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
    if models.chat_template_arguments:
        raise InputError(
            "models.chat_template_arguments: training reads prompts from the folder of the policy: write the"
            " arguments into its restmcts.json, as chat_template_arguments, so that checkpoints have them too"
        )
    for folder in (models.policy, models.value):
        if folder is not None and Path(folder).is_dir():
            check_plain_weights(Path(folder))
