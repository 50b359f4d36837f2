"""Searches in this process: engines that are opened by name, driven by asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from restmcts.search.running.task import Engines, SearchTask
from store.events import Header, SearchRecord


@dataclass(frozen=True, slots=True)
class Models:
    """The names of a policy and, where there is one, of a value model."""

    policy: str
    value: str | None = None


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
        return task.with_constants(self._engines).header(self._engines)

    def failed(self, task: SearchTask, message: str) -> SearchRecord:
        """The verified record of a search that fails before it begins."""
        return verified(failed_search(task, self._engines, message), task.problem, self._grader.grade)

    def search(self, tasks: Iterable[SearchTask]) -> AsyncGenerator[SearchRecord]:
        """Run the searches; yields each verified record as its search ends."""
        return run_searches(tasks, self._engines, self._concurrency, self._grader.grade)

    def stats(self) -> dict[str, float]:
        """The counts of the engines so far, by ``policy.`` and ``value.`` names."""
        models = {"policy": self._engines.policy, "value": self._engines.value}
        return {
            f"{kind}.{name}": figure
            for kind, model in models.items()
            if model is not None
            for name, figure in model.stats().items()
        }

    def remarks(self) -> list[str]:
        """What the engines have seen that whoever runs them should know; each is said once."""
        engines: tuple[object, ...] = (self._engines.policy, self._engines.value)
        remarking = (engine for engine in engines if isinstance(engine, Remarking))
        return [remark for engine in remarking for remark in engine.remarks()]


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
        value = constants = None
        if models.value is not None:
            place = folder(models.value)
            constants = read_answer_file(place, settings.value_aggregation)
            value = open_value(place, settings, name=models.value)
            opened.callback(value.close)
        critic = PromptedCritic(policy, grader) if settings.critic == "prompted" else RuleCritic(grader)
        flops = token_costs(
            _size(folder(models.policy), settings.engine),
            None if models.value is None else _size(folder(models.value), settings.valued_by),
            valued=models.value is not None,
        )
        aggregation = settings.value_aggregation
        engines = Engines(policy, value, critic, sampling, drop_repeats, aggregation, flops, constants)
        yield LocalWorkers(engines, grader, concurrency)


def _size(folder: Path, engine: str) -> ModelSize | None:
    """The size of a model by its configuration, or by that of the model that an adapter belongs to.

    None: the model is on a server, or of an unknown kind.
    """
    if not ENGINES[engine].local:
        return None
    path = (base_folder(folder) if is_adapter(folder) else folder) / "config.json"
    return model_size(read_object(path)) if path.exists() else None
