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
from restmcts.engines.vllm.cpu.requests import Request
from restmcts.engines.vllm.outputs import Allowance, Tally
from restmcts.engines.vllm.process import collect_engine, start_engine, stop_engine
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
        stop_engine(self.engine, self.models)
        self.engine = None
        collect_engine()

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._running)

    @property
    def running(self) -> int:
        """Requests that are under way."""
        return len(set(map(id, self._running.values())))

    def add(self, job: Request) -> None:
        self._waiting.append(job)

    def drop(self) -> list[Request]:
        jobs = {id(job): job for job in (*self._waiting, *self._running.values())}
        # They are aborted with the next step: the engine may be what has failed.
        self._lost += self._running
        self._waiting.clear()
        self._running.clear()
        return list(jobs.values())

    def step(self) -> Finished:
        """Hand over what has come, and run the model once."""
        begun = time.perf_counter()
        self._abort()
        finished = self._admit()
        for output in self._run():
            finished += self._take(output)
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
            running=self.running,
        )

    def _begin(self, job: Request) -> None:
        """Hand a job over to vLLM; raises what it has against it."""
        self._running[self._hand_over(job.prompt, job.parameters)] = job

    def _hand_over(self, prompt: Tokens, parameters: Any) -> str:
        """Ask vLLM; returns the number that its outputs will have."""
        number = str(next(self._numbers))
        inputs = {"type": "token", "prompt_token_ids": list(prompt)}
        self.engine.add_request(number, inputs, parameters)
        return number

    def _run(self) -> list[Any]:
        outputs: list[Any] = self.engine.step() if self._running else []
        return outputs

    def _take(self, output: Any) -> Finished:
        """The jobs that are finished with an output of vLLM."""
        job = self._running.pop(output.request_id, None)
        # What was aborted may still come out.
        if job is None:
            return []
        self.tally.count(output)
        return [(job, output)]

    def _admit(self) -> Finished:
        refused: Finished = []
        for job in self._waiting:
            if job.cancelled:
                continue
            try:
                self._begin(job)
            except Exception as error:  # whatever vLLM has against this request, the others go on
                refused.append((job, EngineError(f"{self.name}: {error}")))
        self._waiting.clear()
        return refused

    def _abort(self) -> None:
        lost = self._lost + [number for number, job in self._running.items() if job.cancelled]
        self._lost = []
        if lost:
            self._end(lost)

    def _end(self, numbers: list[str]) -> None:
        for number in numbers:
            self._running.pop(number, None)
        self.engine.abort_request(numbers)


class InsideEngine:
    """Requests to an engine in this process."""

    counts_tokens = True

    def __init__(self, core: VllmCore, *, scores: bool) -> None:
        """Start the engine of ``core``; what that raises is raised here.

        One that ``scores`` waits for those that generate.
        """
        self._core = core
        gather = {"gather": partial(GENERATION.wait, SCORING_AFTER, MANY)} if scores else {}
        self._worker = Worker(core, core.name, start=core.start, stop=core.stop, shared=True, **gather)
        self.context: int = core.engine.vllm_config.model_config.max_model_len

    async def run(self, prompt: Tokens, parameters: Any, allowance: Allowance | None = None) -> Any:
        """The result of a job; see :class:`restmcts.engines.vllm.cpu.requests.Request`.

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
