"""What all value models on transformers share: requests for values, batched over prompts in the cache."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats, Finished, Job, Worker
from restmcts.engines.loading import context_length
from restmcts.engines.transformers.attention import Piece
from restmcts.engines.transformers.forward import CachedModel
from restmcts.engines.transformers.kv_cache import Segment, Slots
from restmcts.engines.transformers.prefill import FORWARD_TOKENS, Prefill
from restmcts.errors import EngineError

Read = Callable[[Sequence[Piece]], list[float]]
"""Runs the model once; the value after the last token of each piece of which that is wanted."""


@dataclass(slots=True, eq=False)
class Scoring(Job):
    """A request for the values of ``prompts``."""

    prompts: tuple[Tokens, ...]
    values: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Scored:
    """One prompt of a request, in the cache up to ``segment``."""

    job: Scoring
    index: int
    segment: Segment
    slots: Slots


class Scorer:
    """Runs scoring requests: the new tokens of all prompts that wait share each forward pass."""

    def __init__(self, model: CachedModel, read: Read, name: str) -> None:
        self._model = model
        self._read = read
        self._name = name
        self._waiting: deque[tuple[Scoring, int]] = deque()
        self._prefill: Prefill[Scored] = Prefill(model.cache)
        self._running: dict[int, Scoring] = {}
        self._seconds = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._running or self._prefill)

    def add(self, job: Scoring) -> None:
        self._running[id(job)] = job
        self._waiting.extend((job, index) for index in range(len(job.prompts)))

    def drop(self) -> list[Scoring]:
        jobs = list(self._running.values())
        self._running.clear()
        self._waiting.clear()
        self._prefill.clear()
        self._model.clear()
        return jobs

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return EngineStats(
            prompt_tokens=self._prefill.prompt_tokens,
            cached_tokens=self._prefill.cached_tokens,
            generated_tokens=0,
            forward_passes=self._model.forward_passes,
            seconds=self._seconds,
            waiting=len(self._waiting),
            running=len(self._running),
        )

    def step(self) -> Finished:
        """One forward pass over what is new in the prompts."""
        begun = time.perf_counter()
        self._admit()
        finished: Finished = []
        pieces, ready = self._prefill.take(FORWARD_TOKENS)
        if pieces:
            for owner, value in zip(ready, self._read(pieces), strict=True):
                self._settle(owner, value, finished)
        for job, _ in finished:
            self._running.pop(id(job), None)
        self._seconds += time.perf_counter() - begun
        return finished

    def _admit(self) -> None:
        cache = self._model.cache
        while self._waiting:
            job, index = self._waiting[0]
            if job.cancelled:
                self._running.pop(id(job), None)
            else:
                prompt = job.prompts[index]
                if cache.available < len(prompt):
                    return
                self._prefill.add(prompt, partial(Scored, job, index))
            self._waiting.popleft()

    def _settle(self, owner: Scored, value: float, finished: Finished) -> None:
        job = owner.job
        self._model.cache.unlock(owner.segment)
        job.values[owner.index] = value
        if len(job.values) < len(job.prompts):
            return
        values = [job.values[index] for index in range(len(job.prompts))]
        if all(math.isfinite(number) for number in values):
            finished.append((job, [round(min(1.0, max(0.0, number)), 6) for number in values]))
        else:
            failure = EngineError(f"{self._name}: the value model gave something that is not a number")
            finished.append((job, failure))


class ScoringModel:
    """A model that gives a value after the last token of a prompt.

    Prompts that wait are batched; those that extend each other share their keys and values. With
    ``reproducible`` on a CPU in float32, a value depends on its prompt alone: not on what else is in the
    batch, nor on what is cached (for an equal number of threads).
    """

    def __init__(self, model: CachedModel, tokenizer: Any, read: Read, name: str) -> None:
        """Start the thread of a loaded model; ``read`` says how its value comes about."""
        self.name = name
        self.tokenizer = tokenizer
        self.context = context_length(model.model, tokenizer)
        self._model = model
        self._scorer = Scorer(model, read, name)
        self._worker = Worker(self._scorer, name, shared=model.model.device.type == "cpu")

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, clamped to [0, 1], to 6 decimals.

        Raises:
            EngineError: a prompt does not fit the model, the model failed, or gave something that is
                not a number.
        """
        if not prompts:
            return []
        limit = min(self.context, self._model.cache.capacity)
        for prompt in prompts:
            if not 0 < len(prompt) <= limit:
                raise EngineError(
                    f"{self.name}: a prompt has {len(prompt)} tokens; 1 to {limit} are possible"
                )
        loop = asyncio.get_running_loop()
        job = Scoring(loop.create_future(), loop, tuple(tuple(prompt) for prompt in prompts))
        self._worker.submit(job)
        values: list[float] = await job.future
        return values

    def stats(self) -> dict[str, float]:
        """What the engine has done so far; the fields of :class:`restmcts.engines.batching.EngineStats`."""
        return asdict(self._scorer.stats())

    def close(self) -> None:
        """End the thread and give a lent model its own attention back."""
        self._worker.close()
        self._model.restore()
