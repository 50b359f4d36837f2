"""An engine of vLLM in this process.

One thread steps all of them, also because vLLM keeps what belongs to the forward pass that runs in a global
variable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats, Finished, Worker
from restmcts.engines.compute import GENERATION
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm_process import collect_engine, start_engine, stop_engine
from restmcts.engines.vllm_requests import Allowance, Request, Tally
from restmcts.errors import EngineError

SCORING_AFTER: Final = 4
"""Forward passes of generating engines between two of a scoring one, where ``MANY`` requests run. A pass has
a cost of its own: scoring what several passes of the policy bring at once saves more than it delays."""

MANY: Final = 24


@dataclass(slots=True)
class VllmCore:
    """Steps vLLM's engine for all requests together; see :class:`restmcts.engines.batching.Core`."""

    make: Callable[[], Any]
    models: ModelSettings
    name: str
    generates: bool = True
    engine: Any = None
    tally: Tally = field(default_factory=Tally)
    steps: int = 0
    seconds: float = 0.0
    _waiting: list[Request] = field(default_factory=list)
    _running: dict[str, Request] = field(default_factory=dict)
    _lost: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def start(self) -> None:
        """Make the engine; in the thread that steps it, whose pool of threads it uses."""
        self.engine = start_engine(self.make, self.models, inside=True)

    def stop(self) -> None:
        """Free the engine."""
        GENERATION.leave(id(self))
        stop_engine(self.engine, self.models)
        self.engine = None
        collect_engine()

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, job: Request) -> None:
        self._waiting.append(job)

    def drop(self) -> list[Request]:
        jobs = [*self._waiting, *self._running.values()]
        # They are aborted with the next step: the engine may be what has failed.
        self._lost += self._running
        self._waiting.clear()
        self._running.clear()
        GENERATION.leave(id(self))
        return jobs

    def step(self) -> Finished:
        """Hand over what has come, and run the model once."""
        begun = time.perf_counter()
        if self.generates:
            GENERATION.note(id(self), len(self._waiting) + len(self._running))
        self._abort()
        finished = self._admit()
        finished += self._cut()
        for output in self.engine.step() if self._running else []:
            # What was aborted may still come out.
            if (job := self._running.get(output.request_id)) is not None:
                finished += self._take(output, job)
        if self.generates:
            GENERATION.note(id(self), len(self._running), forward_pass=True)
        self.steps += 1
        self.seconds += time.perf_counter() - begun
        return finished

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return EngineStats(
            prompt_tokens=self.tally.prompt_tokens,
            cached_tokens=self.tally.cached_tokens,
            generated_tokens=self.tally.generated_tokens,
            forward_passes=self.steps,
            seconds=self.seconds,
            waiting=len(self._waiting),
            running=len(self._running),
        )

    def _take(self, output: Any, job: Request) -> Finished:
        """What is finished with an output of vLLM."""
        result = output
        if job.allowance is not None:
            job.take(output)
            result = job
        if not output.finished:
            return []
        del self._running[output.request_id]
        self.tally.count(result)
        return [(job, result)]

    def _cut(self) -> Finished:
        """End the requests whose allowance is spent; what they have is their result."""
        cut = {number: job for number, job in self._running.items() if job.allowance and job.allowance.spent}
        if not cut:
            return []
        self.engine.abort_request(list(cut))
        for number, job in cut.items():
            del self._running[number]
            job.leave()
            self.tally.count(job)
        return [(job, job) for job in cut.values()]

    def _admit(self) -> Finished:
        refused: Finished = []
        for job in self._waiting:
            if job.cancelled:
                continue
            number = str(next(self._numbers))
            try:
                self.engine.add_request(
                    number, {"type": "token", "prompt_token_ids": list(job.prompt)}, job.parameters
                )
            except Exception as error:  # whatever vLLM has against this request, the others go on
                refused.append((job, EngineError(f"{self.name}: {error}")))
            else:
                self._running[number] = job
                job.begin()
        self._waiting.clear()
        return refused

    def _abort(self) -> None:
        self._lost += [number for number, job in self._running.items() if job.cancelled]
        if self._lost:
            lost, self._lost = self._lost, []
            for number in lost:
                if (job := self._running.pop(number, None)) is not None:
                    job.leave()
            self.engine.abort_request(lost)


class InsideEngine:
    """Requests to an engine in this process."""

    counts_tokens = True

    def __init__(self, make: Callable[[], Any], models: ModelSettings, name: str, *, pooling: bool) -> None:
        """``make`` makes vLLM's ``LLMEngine``; what it raises is raised here."""
        self._core = core = VllmCore(make, models, name, generates=not pooling)
        gather = {"gather": partial(GENERATION.wait, SCORING_AFTER, MANY)} if pooling else {}
        self._worker = Worker(core, name, start=core.start, stop=core.stop, shared=True, **gather)
        self.context: int = self._core.engine.vllm_config.model_config.max_model_len

    async def run(self, prompt: Tokens, parameters: Any, allowance: Allowance | None = None) -> Any:
        """vLLM's output for a prompt; see :class:`restmcts.engines.vllm_requests.Request`.

        Raises:
            EngineError: vLLM refused the request, failed, or was closed.
        """
        loop = asyncio.get_running_loop()
        job = Request(loop.create_future(), loop, prompt, parameters, allowance)
        self._worker.submit(job)
        return await job.future

    def stats(self) -> EngineStats:
        return self._core.stats()

    def close(self) -> None:
        """Free memory and thread; who still waits gets an EngineError."""
        self._worker.close()
