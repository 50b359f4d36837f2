"""Sampling continuations for many requests at once; the synchronous heart of the policy."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite

import numpy as np
import torch

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.batching import EngineStats, Finished, Job
from restmcts.engines.samples import make_sample
from restmcts.engines.transformers.attention import Piece
from restmcts.engines.transformers.forward import CachedModel
from restmcts.engines.transformers.kv_cache import Segment, Slots
from restmcts.engines.transformers.prefill import FORWARD_TOKENS, Prefill
from restmcts.engines.transformers.sampling import Draw, draw_tokens
from restmcts.errors import EngineError
from restmcts.prompts import StepEnds


@dataclass(slots=True, eq=False)
class SamplingJob(Job):
    """A request under way.

    ``prompt`` is that of the request. ``open``: the text is known not to end right after the prompt.
    ``left``: tokens that the unfinished samples may still take, if that is limited. ``reserved``: cache slots
    that are kept free for them. ``samples``: the finished ones by the place of their seed. ``broken``: the
    model gave something that is not a number.
    """

    request: SamplingRequest
    prompt: Tokens
    open: bool
    left: int | None = None
    reserved: int = 0
    samples: dict[int, Sample] = field(default_factory=dict)
    broken: bool = False

    @property
    def most(self) -> int:
        """The most cache slots that its samples can need."""
        return most_tokens(len(self.request.seeds), self.request.max_tokens, self.left)


def most_tokens(samples: int, max_tokens: int, total_tokens: int | None) -> int:
    """The most tokens that the samples of a request can have."""
    most = samples * max_tokens
    return most if total_tokens is None else min(most, total_tokens)


@dataclass(slots=True, eq=False)
class Prompted:
    """A job whose prompt is in the cache, up to ``segment``."""

    job: SamplingJob
    segment: Segment
    slots: Slots


@dataclass(slots=True, eq=False)
class Row:
    """One continuation being sampled.

    ``computed`` of its ``tokens`` have keys and values. ``begun``: the current step has visible text.
    ``peeking``: the next token is only looked at, to see whether the text ends.
    """

    owner: Prompted
    index: int
    slots: Slots
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    computed: int = 0
    begun: bool = False
    peeking: bool = False
    ended: bool = False
    truncated: bool = False
    cut: bool = False


class Decoder:
    """Runs requests: prompts and the next tokens of all continuations share each forward pass."""

    def __init__(
        self,
        model: CachedModel,
        ends: StepEnds,
        end_tokens: Sequence[int],
        decode: Callable[[tuple[int, ...]], str],
        *,
        max_batch: int,
        peek_end: bool,
    ) -> None:
        self._model = model
        self._cache = model.cache
        self._ends = ends
        self._end_tokens = frozenset(end_tokens)
        self._end_ids = torch.tensor(sorted(end_tokens), device=model.device)
        self._decode = decode
        self._max_batch = max_batch
        self._peek_end = peek_end
        self._active: dict[int, SamplingJob] = {}
        self._waiting: deque[SamplingJob] = deque()
        self._prefill: Prefill[Prompted] = Prefill(self._cache)
        self._rows: list[Row] = []
        self._taken = 0
        self._reserved = 0
        self._generated = 0
        self._seconds = 0.0

    @property
    def busy(self) -> bool:
        return bool(self._active)

    def add(self, job: SamplingJob) -> None:
        self._active[id(job)] = job
        self._waiting.append(job)

    def drop(self) -> list[SamplingJob]:
        jobs = list(self._active.values())
        self._active.clear()
        self._waiting.clear()
        self._prefill.clear()
        self._rows = []
        self._taken = self._reserved = 0
        self._model.clear()
        return jobs

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return EngineStats(
            prompt_tokens=self._prefill.prompt_tokens,
            cached_tokens=self._prefill.cached_tokens,
            generated_tokens=self._generated,
            forward_passes=self._model.forward_passes,
            seconds=self._seconds,
            waiting=len(self._waiting),
            running=len(self._active) - len(self._waiting),
        )

    def step(self) -> Finished:
        """One forward pass, one token more for every continuation."""
        begun = time.perf_counter()
        finished: Finished = []
        self._rows = [row for row in self._rows if not self._cancelled(row, finished)]
        self._cut(finished)
        self._admit()
        pieces = self._next_pieces()
        prompts, ready = self._prefill.take(max(FORWARD_TOKENS - len(pieces), 1))
        if pieces or prompts:
            logits = self._model.logits([*pieces, *prompts])
            sources = list(range(len(self._rows)))
            for place, owner in enumerate(ready, start=len(self._rows)):
                fresh = self._start_rows(owner, finished)
                self._rows += fresh
                sources += [place] * len(fresh)
            if sources:
                self._sample(logits, sources, finished)
        for job, _ in finished:
            self._active.pop(id(job))
        self._seconds += time.perf_counter() - begun
        return finished

    def _cut(self, finished: Finished) -> None:
        """End continuations for whose next tokens too little is left."""
        live = Counter(id(row.owner.job) for row in self._rows)
        going = []
        for row in self._rows:
            job = row.owner.job
            row.cut = job.left is not None and job.left < live[id(job)]
            if row.cut:
                self._finish(row, finished)
            else:
                going.append(row)
        self._rows = going

    def _admit(self) -> None:
        while self._waiting:
            job = self._waiting[0]
            if job.cancelled:
                self._active.pop(id(job))
            else:
                full = self._taken + len(job.request.seeds) > self._max_batch and self._taken > 0
                if full or self._cache.available - self._reserved < len(job.prompt) + job.most:
                    return
                self._prefill.add(job.prompt, partial(Prompted, job))
                self._taken += len(job.request.seeds)
                job.reserved = job.most
                self._reserved += job.reserved
            self._waiting.popleft()

    def _next_pieces(self) -> list[Piece]:
        """The last token of every continuation, which has no keys and values yet."""
        fresh = self._cache.allocate(len(self._rows))
        self._reserved -= len(self._rows)
        pieces = []
        for row, slot in zip(self._rows, fresh, strict=True):
            position = len(row.owner.job.prompt) + row.computed
            row.slots[position] = slot
            row.computed += 1
            row.owner.job.reserved -= 1
            pieces.append(Piece(row.tokens[-1:], position, row.slots))
        return pieces

    def _start_rows(self, owner: Prompted, finished: Finished) -> list[Row]:
        job = owner.job
        rows = []
        for index in range(len(job.request.seeds)):
            slots = np.zeros(len(job.prompt) + job.request.max_tokens, np.int64)
            slots[: len(owner.slots)] = owner.slots
            rows.append(Row(owner, index, slots))
        return [row for row in rows if not self._cancelled(row, finished)]

    def _sample(self, logits: torch.Tensor, sources: Sequence[int], finished: Finished) -> None:
        draws = [self._draw(row) for row in self._rows]
        if sources != list(range(len(logits))):
            logits = logits[torch.tensor(sources, device=logits.device)]
        tokens, logprobs = draw_tokens(logits, draws, self._end_ids)
        going = []
        for row, token, logprob in zip(self._rows, tokens, logprobs, strict=True):
            if self._accept(row, token, logprob):
                self._finish(row, finished)
            else:
                going.append(row)
        self._rows = going

    def _draw(self, row: Row) -> Draw:
        job = row.owner.job
        position = len(row.tokens)
        allowed = position > 0 or not job.open
        return Draw(
            job.request.seeds[row.index], position, job.request.temperature, job.request.top_p, allowed
        )

    def _accept(self, row: Row, token: int, logprob: float) -> bool:
        """Take a sampled token. True: the continuation is complete."""
        job = row.owner.job
        if not isfinite(logprob):
            job.broken = True
            return True
        if job.left is not None and not (row.peeking and token not in self._end_tokens):
            job.left -= 1
        if token in self._end_tokens:
            row.logprobs.append(logprob)
            row.ended, row.truncated = True, False
            return True
        if row.peeking:
            return True
        row.tokens.append(token)
        row.logprobs.append(logprob)
        step_ends = self._ends.ends(token, row.begun)
        row.begun = not step_ends and (row.begun or self._ends.visible[token])
        # With peeking, one token of the limit is kept for the end of the text.
        full = len(row.tokens) >= max(1, job.request.max_tokens - self._peek_end)
        stops = step_ends and job.request.until == "step"
        room = len(row.tokens) < job.request.max_tokens
        row.peeking = step_ends and self._peek_end and (full or stops) and room
        row.truncated = full and not (stops and (room or not self._peek_end))
        return (full or stops) and not row.peeking

    def _cancelled(self, row: Row, finished: Finished) -> bool:
        if row.owner.job.cancelled or row.owner.job.broken:
            self._finish(row, finished)
            return True
        return False

    def _finish(self, row: Row, finished: Finished) -> None:
        """Keep what was computed in the cache, and hand the request over with its last sample."""
        owner, job = row.owner, row.owner.job
        start = len(job.prompt)
        if row.computed:
            self._cache.adopt(
                owner.segment, row.tokens[: row.computed], row.slots[start : start + row.computed]
            )
        if job.left is None:
            self._release(job, job.request.max_tokens - row.computed)
        self._taken -= 1
        sample = make_sample(
            row.tokens,
            row.logprobs,
            ends=self._ends,
            decode=self._decode,
            ended=row.ended,
            truncated=row.truncated or row.cut,
            cut=row.cut,
        )
        self._generated += sample.generated
        job.samples[row.index] = sample
        if len(job.samples) == len(job.request.seeds):
            self._release(job, job.reserved)
            self._cache.unlock(owner.segment)
            finished.append((job, self._result(job)))

    def _result(self, job: SamplingJob) -> list[Sample] | EngineError:
        if job.broken:
            return EngineError(
                f"{self._model.name}: the policy gave a log-probability that is not a number: its weights may"
                " be broken, or too large for models.dtype"
            )
        return [job.samples[index] for index in range(len(job.request.seeds))]

    def _release(self, job: SamplingJob, slots: int) -> None:
        job.reserved -= slots
        self._reserved -= slots
