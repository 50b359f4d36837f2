"""Runs of loops with scripted models: searches, labels and samples are real, trainings are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.grading.finding import MathAnswers
from restmcts.loops import phases, value_phases
from restmcts.loops.registry import LOOPS, loop_settings
from restmcts.loops.results import Trained
from restmcts.loops.run import Run
from restmcts.loops.work import self_judgement
from restmcts.problems.problem import Problem
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from restmcts.search.running.task import Engines
from restmcts.settings import checked
from restmcts.workers.base import Models
from restmcts.workers.local import LocalWorkers
from store.events import Step
from store.records import WorkerFigures
from store.runs.writer import RunWriter
from tests.search.search_engines import Gate, Judge, Writer, dice

BASE = "/base"
"""The name of the base policy."""

TRACE = 24
"""The longest trace, in tokens."""


class InterruptedRunError(Exception):
    """What ends a run in the middle."""


class SameText(MathAnswers):
    """A grader that compares texts, in this process."""

    def grade(self, problem: Problem, answers: Sequence[str]) -> list[bool | None]:
        return [answer == problem.answer for answer in answers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class Heard:
    """Progress that remembers notes, workers, the total of the last phase, and how far it came."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.total: int | None = None
        self.done: list[int] = []
        self.workers_told: list[Sequence[WorkerFigures]] = []

    def start(self, phase: str, kind: str, total: int | None) -> None:
        self.total, self.done = total, []

    def update(self, done: int, figures: Figures) -> None:
        self.done.append(done)

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        self.workers_told.append(found)

    def finish(self, phase: str, summary: object) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Pupil(Writer):
    """A writer whose samples depend on its name too; asked for points, it gives some, or none.

    ``breaks_at``: the request at which the whole run is interrupted.
    """

    breaks_at: int | None = None

    def prompt(self, problem: str) -> Tokens:
        return (*super().prompt(problem), dice(self.name).randrange(4000, 5000))

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        if self.breaks_at is not None and len(self.calls) + 1 >= self.breaks_at:
            raise InterruptedRunError
        return await super().propose(request)


@dataclass
class Marker(Writer):
    """A policy that is asked for points: 0 to 5 by the text and the seed, in a reply of 2 to 9 tokens.

    ``readable``: how many of the replies have points in them, of ten.
    """

    readable: int = 9

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        self.calls.append(request)
        samples = []
        for seed in request.seeds:
            chance = dice("points", request.prompt, seed)
            reply = f"Points: {chance.randint(0, 5)}" if chance.randrange(10) < self.readable else "no idea"
            tokens = min(chance.randint(2, 9), request.max_tokens)
            samples.append(Sample((Step(reply, ended=True),), tokens, False))
        self.generated += sum(sample.generated for sample in samples)
        return samples


def splits(train: int = 12) -> Splits:
    """Problems whose right answer is 1, which a third of the finished traces say."""
    names = {"train": train, "validation": 4, "test": 3}
    made = {
        name: [Problem(f"{name}-{number}", f"{name} {number}", "1") for number in range(count)]
        for name, count in names.items()
    }
    solved = [Problem(f"shown-{number}", f"shown {number}", "1", "a\nthe answer is 1") for number in range(6)]
    return Splits(made["train"], made["validation"], made["test"], solved)


def recipe(**values: Any) -> Recipe:
    """A recipe of two iterations on scripted models."""
    known: dict[str, Any] = {
        "recipe": "r",
        "iterations": 2,
        "models": {"policy": BASE},
        "problems": {"data_set": "tiny", "lowest_accuracy": 0.0, "highest_accuracy": 1.0},
        "sampling": {"step_tokens": 8, "trace_tokens": TRACE},
        "bootstrap": {"traces": 4},
    }
    return checked(Recipe, known | values, "test")


@contextmanager
def opened(root: Path, wanted: Recipe, problems: Splits | None = None, **more: Any) -> Iterator[Run]:
    """The run in the store at ``root``, to begin or to go on with."""
    with RunWriter.create_or_open(root, "run", config='recipe = "r"\n', environment={}) as writer:
        yield Run(wanted, writer, problems or splits(), SameText(), Heard(), {}, **more)


def to_the_end(root: Path, wanted: Recipe, **more: Any) -> None:
    """Make the run of a recipe, or go on with it, to its end."""
    with opened(root, wanted, **more) as run:
        LOOPS[wanted.loop].run(run, loop_settings(wanted))
        run.writer.finish_run()


class Scripts:
    """Puts scripted models in the place of real ones.

    ``policy``: what each opened policy has besides its name.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.policy: dict[str, Any] = {}
        self.policies: list[Writer] = []
        self.marker: dict[str, Any] = {}
        self.opened: list[Models] = []

        @contextmanager
        def workers(run: Run, models: Models) -> Iterator[LocalWorkers]:
            wanted = run.recipe.sampling
            sampling = Sampling(wanted.temperature, wanted.top_p, wanted.step_tokens, wanted.trace_tokens)
            value = None if models.value is None else Judge(name=models.value)
            engines = Engines(self.open(models.policy), value, RuleCritic(run.grader), sampling)
            self.opened.append(models)
            yield LocalWorkers(engines, run.grader, run.recipe.concurrency)

        patch.setattr(Run, "workers", workers)
        for name in ("tune_policy", "tune_preference", "tune_control"):
            patch.setattr(phases, name, trained_by(name))
        for name in ("tune_value", "start_value"):
            patch.setattr(value_phases, name, trained_by(name))
        patch.setattr(value_phases, "Judge", lambda *_: lambda value: None)
        patch.setattr(value_phases, "check_trainable", lambda models: None)
        patch.setattr(Run, "folder", lambda run, name: Path(name))
        patch.setattr(self_judgement, "open_policy", lambda folder, models, name: self.open_marker(name))

    def open(self, name: str) -> Writer:
        self.policies.append(Pupil(name=name, **self.policy))
        return self.policies[-1]

    def open_marker(self, name: str) -> Writer:
        self.policies.append(Marker(name=name, **self.marker))
        return self.policies[-1]

    @property
    def generated(self) -> int:
        """The tokens that all policies have generated."""
        return sum(policy.generated for policy in self.policies)


def trained_by(name: str) -> Any:
    role = {"tune_value": "value", "start_value": "start", "tune_control": "control"}.get(name, "policy")

    def train(run: Run, phase: str, iteration: int = 0, *rest: Any, **more: Any) -> Trained:
        samples: Sequence[Any] = rest[0] if rest and isinstance(rest[0], list) else []
        parent = next((each for each in rest if isinstance(each, str)), None)
        return Trained(
            checkpoint=f"checkpoints/{iteration}/{more.get('role', role)}",
            parent=parent,
            updates=3,
            samples=len(samples),
            first_loss=1.0,
            last_loss=0.5,
        )

    return train


def gate(seed: int) -> Gate:
    """Answers requests in an order that differs from seed to seed."""
    return Gate(seed)
