"""Searches in this process: engines that are opened by name, driven by asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path

from restmcts.engines.adapters import base_folder, is_adapter
from restmcts.engines.base import Policy, Remarking, Sampling, ValueModel
from restmcts.engines.files import read_object
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.prompted.critic import PromptedCritic, RuleCritic
from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.evaluation.answer_file import read_answer_file
from restmcts.evaluation.reading.flops import ModelSize, model_size, token_costs
from restmcts.grading.registry import Grader
from restmcts.problems.problem import Problem
from restmcts.prompts import with_examples
from restmcts.search.running.driver import failed_search, run_searches, verified
from restmcts.search.running.task import Conditions, Engines, SearchTask
from restmcts.workers.base import Ended, Models
from store.events import Header, SearchRecord
from store.records import WorkerFigures


class LocalWorkers:
    """Engines of this process, ready to search; :func:`open_workers` opens and closes them.

    Args:
        engines: a policy and, for methods that ask for values, a value model.
        grader: gives the verdicts on answers.
        concurrency: searches that run at the same time.
    """

    def __init__(self, engines: Engines, grader: Grader, concurrency: int) -> None:
        self._engines = engines
        self._grader = grader
        self._concurrency = concurrency

    @property
    def models(self) -> Models:
        """The names that stored searches have for the models."""
        value = self._engines.value
        return Models(self._engines.policy.name, None if value is None else value.name)

    def too_long(self, problems: Sequence[Problem]) -> dict[str, str]:
        """Why problems leave no room for a solution, by the ids of those that leave none.

        Raises:
            InputError: a value model refuses a problem.
        """
        found: dict[str, str] = {}
        asked = {problem.id: with_examples(problem.text, problem.examples) for problem in problems}
        models: list[tuple[str, Policy | ValueModel, dict[str, str]]] = [
            ("policy", self._engines.policy, asked)
        ]
        if self._engines.value is not None:
            models.append(("value model", self._engines.value, {}))
        for kind, model, prompts in models:
            for problem in problems:
                length = len(model.prompt(prompts.get(problem.id, problem.text)))
                if length >= model.context:
                    text = (
                        f"problem {problem.id!r} is {length} tokens long, but the {kind} {model.name!r} reads"
                        f" {model.context} (bytes, where it is on a server)"
                    )
                    found.setdefault(problem.id, text)
        return found

    def header(self, task: SearchTask) -> Header:
        """What the record of a search would begin with."""
        known = self._engines.conditions
        return task.with_constants(known).header(known)

    def failed(self, task: SearchTask, message: str) -> SearchRecord:
        """The verified record of a search that fails before it begins."""
        return verified(
            failed_search(task, self._engines.conditions, message), task.problem, self._grader.grade
        )

    async def search(self, tasks: Iterable[SearchTask]) -> AsyncGenerator[Ended]:
        """Run the searches; yields each as it ends."""
        searches = run_searches(tasks, self._engines, self._concurrency, self._grader.grade)
        async with aclosing(searches) as records:
            async for record in records:
                yield Ended(record)

    def stats(self) -> dict[str, float]:
        """The counts of the engines so far, by ``policy.`` and ``value.`` names."""
        models = {"policy": self._engines.policy, "value": self._engines.value}
        return {
            f"{kind}.{name}": figure
            for kind, model in models.items()
            if model is not None
            for name, figure in model.stats().items()
        }

    def figures(self) -> list[WorkerFigures]:
        """None: there is no worker but this process, whose figures :meth:`stats` has."""
        return []

    def remarks(self) -> list[str]:
        """What the engines have seen that whoever runs them should know; each is said once."""
        engines: tuple[object, ...] = (self._engines.policy, self._engines.value)
        remarking = (engine for engine in engines if isinstance(engine, Remarking))
        return list(dict.fromkeys(remark for engine in remarking for remark in engine.remarks()))


@contextmanager
def open_workers(
    models: Models,
    folder: Callable[[str], Path],
    settings: ModelSettings,
    grader: Grader,
    sampling: Sampling,
    *,
    drop_repeats: bool,
    concurrency: int,
) -> Iterator[LocalWorkers]:
    """Open the models, and close them at the end.

    Args:
        folder: gives the folder of a model by its name.
        drop_repeats: drop a step that repeats an earlier one of its partial solution.

    Raises:
        InputError: a folder holds no usable model, or an engine is not installed.
        EngineError: a server cannot be reached.
    """
    with ExitStack() as opened:
        policy = open_policy(folder(models.policy), settings, name=models.policy)
        opened.callback(policy.close)
        known = conditions(models, folder, settings, sampling, drop_repeats=drop_repeats)
        value = None
        if models.value is not None:
            value = open_value(folder(models.value), settings, name=models.value)
            opened.callback(value.close)
        critic = PromptedCritic(policy, grader) if settings.critic == "prompted" else RuleCritic(grader)
        engines = Engines(
            policy, value, critic, sampling, drop_repeats, known.aggregation, known.flops, known.constants
        )
        yield LocalWorkers(engines, grader, concurrency)


def conditions(
    models: Models,
    folder: Callable[[str], Path],
    settings: ModelSettings,
    sampling: Sampling,
    *,
    drop_repeats: bool,
) -> Conditions:
    """What the records of searches by these models say about them; no model is opened.

    Raises:
        InputError: a file of a model is damaged.
    """
    constants = value = None
    if models.value is not None:
        place = folder(models.value)
        constants = read_answer_file(place, settings.value_aggregation)
        value = _size(place, settings.valued_by)
    flops = token_costs(_size(folder(models.policy), settings.engine), value, valued=models.value is not None)
    aggregation = settings.value_aggregation
    return Conditions(models.policy, models.value, sampling, drop_repeats, aggregation, flops, constants)


def _size(folder: Path, engine: str) -> ModelSize | None:
    """The size of a model by its configuration, or by that of the model that an adapter belongs to.

    None: the model is on a server, or of an unknown kind.
    """
    if not ENGINES[engine].local:
        return None
    path = (base_folder(folder) if is_adapter(folder) else folder) / "config.json"
    return model_size(read_object(path)) if path.exists() else None
