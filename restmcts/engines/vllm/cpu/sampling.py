"""Draws samples with an engine of vLLM in this process."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from restmcts.engines.batching import Finished
from restmcts.engines.compute import GENERATION
from restmcts.engines.vllm.cpu.in_process import VllmCore
from restmcts.engines.vllm.cpu.requests import Request


@dataclass(slots=True)
class DrawingCore(VllmCore):
    """Every sample is a request of vLLM's own, which hands over every token by itself."""

    _indexes: dict[str, int] = field(default_factory=dict)

    def stop(self) -> None:
        """Free the engine."""
        GENERATION.leave(id(self))
        super(DrawingCore, self).stop()

    def drop(self) -> list[Request]:
        GENERATION.leave(id(self))
        self._indexes.clear()
        return super(DrawingCore, self).drop()

    def step(self) -> Finished:
        """Hand over what has come, and run the model once."""
        GENERATION.note(id(self), len(self._waiting) + self.running)
        finished = super(DrawingCore, self).step()
        GENERATION.note(id(self), self.running, forward_pass=True)
        return finished

    def _begin(self, job: Request) -> None:
        started: dict[str, int] = {}
        try:
            for index in range(job.parameters.n):
                number = self._hand_over(job.prompt, one_sample(job.parameters, index))
                started[number] = index
        except Exception:
            self.engine.abort_request(list(started))
            raise
        self._indexes |= started
        self._running |= dict.fromkeys(started, job)
        job.begin()

    def _admit(self) -> Finished:
        return [*super(DrawingCore, self)._admit(), *self._cut()]

    def _take(self, output: Any) -> Finished:
        number = output.request_id
        job = self._running.get(number)
        # What was aborted may still come out.
        if job is None:
            return []
        (part,) = output.outputs
        job.take(self._indexes[number], part, output.num_cached_tokens)
        if part.finish_reason is None:
            return []
        del self._running[number], self._indexes[number]
        return self._finish(job) if job.complete else []

    def _cut(self) -> Finished:
        """End the requests whose allowance is spent; what they have is their result."""
        cut = {n: job for n, job in self._running.items() if job.allowance and job.allowance.spent}
        if not cut:
            return []
        self._end(list(cut))
        jobs = {id(job): job for job in cut.values()}.values()
        return [pair for job in jobs for pair in self._finish(job)]

    def _finish(self, job: Request) -> Finished:
        self.tally.count(job)
        return [(job, job)]

    def _end(self, numbers: list[str]) -> None:
        for number in numbers:
            self._indexes.pop(number, None)
            if (job := self._running.get(number)) is not None:
                job.leave()
        super(DrawingCore, self)._end(numbers)


def one_sample(parameters: Any, index: int) -> Any:
    """vLLM's parameters for one of several samples; their seeds follow each other."""
    own = copy(parameters)
    own.n = 1
    own.seed = None if parameters.seed is None else parameters.seed + index
    return own
