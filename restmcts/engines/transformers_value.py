"""A value model on Hugging Face transformers: a decoder with a head of one regression label."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats, Finished, Job, Worker
from restmcts.engines.cpu import prepare_cpu
from restmcts.engines.forward import CachedModel
from restmcts.engines.kv_cache import Segment, Slots
from restmcts.engines.loading import Device, DType, context_length, load_value_model
from restmcts.engines.prefill import FORWARD_TOKENS, Prefill
from restmcts.engines.transformers_policy import Source
from restmcts.errors import EngineError, InputError
from restmcts.prompts import PromptFormat, encode, load_format, problem_tokens
from store.trace import Step


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

    def __init__(self, model: CachedModel, head: torch.nn.Linear, name: str) -> None:
        self._model = model
        self._name = name
        # A product with one column is rounded differently for different numbers of rows; a sum is not.
        self._weight = head.weight[0].detach().double()
        self._bias = 0.0 if head.bias is None else float(head.bias[0])
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
            states = self._model.hidden(pieces)
            values = (states.double() * self._weight).sum(1) + self._bias
            for owner, value in zip(ready, values.tolist(), strict=True):
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


class TransformersValueModel:
    """A sequence classifier with one regression label as a value model.

    The value is read after the last token of the partial solution. Prompts that extend each other share
    their keys and values. ``reproducible`` means what it means for the policy.
    """

    def __init__(
        self,
        source: Source,
        *,
        device: Device = "cpu",
        dtype: DType = "float32",
        name: str | None = None,
        format: PromptFormat | None = None,
        cache_tokens: int | None = None,
        reproducible: bool = True,
    ) -> None:
        """Load the model and start its thread; the arguments are those of the policy.

        Raises:
            InputError: the folder does not hold a usable value model.
        """
        if reproducible:
            prepare_cpu()
        if isinstance(source, tuple):
            model, self.tokenizer = source
        else:
            folder = Path(source)
            model, self.tokenizer = load_value_model(folder, device=device, dtype=dtype)
            name = name or folder.name
            format = format or load_format(folder)
        self.name = name or "value"
        self.format = format or PromptFormat()
        self.context = context_length(model, self.tokenizer)
        head = find_head(model, self.name)
        self._encoded = lru_cache(maxsize=2**14)(lambda text: encode(self.tokenizer, text))
        self._model = CachedModel(model, name=self.name, reproducible=reproducible, cache_tokens=cache_tokens)
        self._scorer = Scorer(self._model, head, self.name)
        self._worker = Worker(self._scorer, self.name)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended."""
        return problem_tokens(self.tokenizer, problem, self.format)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step, as the policy sampled them: both models have one vocabulary.

        A policy behind a server has no token ids to give: then the text is encoded, each step for itself.
        """
        return step.tokens or self._encoded(step.text)

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


def find_head(model: Any, name: str) -> torch.nn.Linear:
    """The linear layer that turns the last state into a value.

    Raises:
        InputError: there is none, or it has more than one output.
    """
    head = getattr(model, "score", None) or getattr(model, "classifier", None)
    if not isinstance(head, torch.nn.Linear):
        raise InputError(f"{name}: no linear head named score or classifier; is it a sequence classifier?")
    if head.out_features != 1:
        raise InputError(f"{name}: a value model has one label (num_labels 1), this one {head.out_features}")
    return head
