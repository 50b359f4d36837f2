"""A core that has no model: it answers what waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from restmcts.engines.batching import Finished, Job


@dataclass
class ReadyCore:
    """Answers all jobs of a step by what ``answer`` says for their number."""

    answer: Callable[[int], Any]
    jobs: list[Job] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return bool(self.jobs)

    def add(self, job: Job) -> None:
        self.jobs.append(job)

    def step(self) -> Finished:
        answer = self.answer(len(self.jobs))
        return [(job, answer) for job in self.drop()]

    def drop(self) -> list[Job]:
        jobs, self.jobs = self.jobs, []
        return jobs
