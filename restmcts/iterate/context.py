"""What every phase of a run works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restmcts.engines.base import Policy, Sampling, ValueModel
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.prompted.critic import PromptedCritic, RuleCritic
from restmcts.grading.registry import Grader
from restmcts.problems.registry import DATA_SETS, DataSet
from restmcts.problems.splits import Splits
from restmcts.progress import Progress
from restmcts.recipe import Recipe
from restmcts.registry import Registry
from restmcts.search.running.task import Engines
from store.writer import RunWriter

Summary = dict[str, Any]
"""What a phase leaves behind for later ones and for the reader; JSON values."""


@dataclass(frozen=True, slots=True)
class Context:
    """A run under way."""

    recipe: Recipe
    writer: RunWriter
    problems: Splits
    grader: Grader
    progress: Progress

    @property
    def data_set(self) -> DataSet:
        """The data set that the problems are from."""
        return DATA_SETS[self.recipe.problems.data_set]

    def folder(self, name: str) -> Path:
        """A checkpoint by the name that summaries have for it: inside the run, or any other folder."""
        path = Path(name)
        return path if path.is_absolute() else self.writer.layout.folder / path

    def phase(self, name: str, kind: str, iteration: int, work: Callable[[], Summary]) -> Summary:
        """Do ``work`` as a phase of the run, unless it is done already; returns its summary.

        An error marks the phase as failed and goes on to the caller.
        """
        if self.writer.phase_status(name) == "done":
            summary = self.writer.phase_summary(name)
            self.progress.finish(name, summary)
            return summary
        self.writer.start_phase(name, kind, iteration)
        try:
            summary = work()
        except Exception as error:
            self.writer.fail_phase(name, str(error))
            raise
        self.writer.finish_phase(name, summary)
        self.progress.finish(name, summary)
        return summary

    def note_uses(self, phase: str, registry: Registry[Any], names: Iterable[str]) -> None:
        """Store which distributions the entries of a registry come from that a phase uses."""
        self.writer.note_uses(phase, registry.plural, registry.origins(names))

    @contextmanager
    def engines(self, policy: str, value: str | None) -> Iterator[Engines]:
        """A policy and, if named, a value model, ready to search with."""
        opened: list[Policy | ValueModel] = []
        try:
            models = self.recipe.models
            opened_policy = open_policy(self.folder(policy), models, name=policy)
            opened.append(opened_policy)
            opened_value = None
            if value is not None:
                opened_value = open_value(self.folder(value), models, name=value)
                opened.append(opened_value)
            sampling = self.recipe.sampling
            yield Engines(
                policy=opened_policy,
                value=opened_value,
                critic=PromptedCritic(opened_policy, self.grader)
                if models.critic == "prompted"
                else RuleCritic(self.grader),
                sampling=Sampling(
                    sampling.temperature, sampling.top_p, sampling.step_tokens, sampling.trace_tokens
                ),
                drop_repeats=sampling.drop_repeats,
                aggregation=models.value_aggregation,
            )
        finally:
            for engine in opened:
                engine.close()
