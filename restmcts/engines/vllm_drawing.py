"""Draws samples with an engine of vLLM in this process."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from restmcts.engines.batching import Finished
from restmcts.engines.compute import GENERATION
from restmcts.engines.vllm_inside import VllmCore
from restmcts.engines.vllm_open import OpenRequests
from restmcts.engines.vllm_requests import Request


@dataclass(frozen=True, slots=True)
class Place:
    """Which sample of its job a request of vLLM draws; ``cached`` where it goes on with an open one."""

    index: int
    cached: int | None


@dataclass(slots=True)
class DrawingCore(VllmCore):
    """Every sample is a request of vLLM's own, which hands over every token by itself."""

    _open: OpenRequests = field(init=False)
    _places: dict[str, Place] = field(default_factory=dict)

    def start(self) -> None:
        """Make the engine."""
        super(DrawingCore, self).start()
        settings = self.models.vllm
        self._open = OpenRequests(self.engine, settings.sequences if settings.keep_open else 0)

    def stop(self) -> None:
        """Free the engine."""
        GENERATION.leave(id(self))
        del self._open
        super(DrawingCore, self).stop()

    def drop(self) -> list[Request]:
        GENERATION.leave(id(self))
        self._places.clear()
        return super(DrawingCore, self).drop()

    def step(self) -> Finished:
        """Hand over what has come, and run the model once."""
        GENERATION.note(id(self), len(self._waiting) + self.running)
        finished = super(DrawingCore, self).step()
        GENERATION.note(id(self), self.running, forward_pass=True)
        return finished

    def forget(self) -> None:
        """Empty the cache; for an engine in which nothing runs."""
        self._open.end_idle()
        super(DrawingCore, self).forget()

    def _begin(self, job: Request) -> None:
        started: dict[str, Place] = {}
        try:
            for index in range(job.parameters.n):
                number, cached = self._open.start(job.prompt, one_sample(job.parameters, index))
                started[number] = Place(index, cached)
        except Exception:
            self._open.end(started)
            raise
        self._places |= started
        self._running |= dict.fromkeys(started, job)
        job.begin()

    def _admit(self) -> Finished:
        return [*super(DrawingCore, self)._admit(), *self._cut()]

    def _run(self) -> list[Any]:
        outputs = super(DrawingCore, self)._run()
        if not outputs and self._running:
            # Nothing fits the cache beside what is kept open.
            self._open.end_idle()
        return outputs

    def _take(self, output: Any) -> Finished:
        number = output.request_id
        job = self._running.get(number)
        # What was aborted may still come out.
        if job is None:
            return []
        (part,) = output.outputs
        place = self._places[number]
        job.take(place.index, part, output.num_cached_tokens if place.cached is None else place.cached)
        if part.finish_reason is None:
            return []
        del self._running[number], self._places[number]
        self._open.stopped(number, job.text(place.index))
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
            self._places.pop(number, None)
            if (job := self._running.pop(number, None)) is not None:
                job.leave()
        self._open.end(numbers)


def one_sample(parameters: Any, index: int) -> Any:
    """vLLM's parameters for one of several samples; their seeds follow each other."""
    own = copy(parameters)
    own.n = 1
    own.seed = None if parameters.seed is None else parameters.seed + index
    return own
