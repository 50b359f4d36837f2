"""A policy on Hugging Face transformers: runs wherever torch runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.batching import Worker
from restmcts.engines.cpu import prepare_cpu
from restmcts.engines.loading import (
    Device,
    DType,
    check_tokenizer,
    context_length,
    end_tokens,
    load_policy,
)
from restmcts.engines.token_limit import NOTHING, check_total
from restmcts.engines.transformers.decoding import Decoder, SamplingJob, most_tokens
from restmcts.engines.transformers.forward import CachedModel
from restmcts.errors import EngineError, InputError
from restmcts.prompts import PromptFormat, StepEnds, decode, load_format, problem_tokens, question_tokens
from store.events import Step

Source = str | Path | tuple[Any, Any]
"""A model folder, or a model and its tokenizer."""


class TransformersPolicy:
    """Any causal language model as a policy.

    Requests that wait are batched; the keys and values of a partial solution are computed once and
    reused by all its continuations. With ``reproducible`` on a CPU in float32, the tokens, and the
    log-probabilities to the last bit, of a request depend on nothing but its prompt and seeds: not on
    what else is in the batch, nor on what is cached (for an equal number of threads).

    A step ends with a newline. With ``peek_end``, one token more is sampled after that: if it is the
    end-of-text token, the step is marked as ``ended`` and the token is counted; otherwise it is thrown
    away and not counted. So the end of the text has been decided when the next step is asked for, whose
    first token then is never end-of-text: together that is the distribution of the model. One token of
    ``max_tokens`` is kept for this, so that ``generated`` never exceeds it.
    """

    def __init__(
        self,
        source: Source,
        *,
        device: Device = "cpu",
        dtype: DType = "float32",
        name: str | None = None,
        format: PromptFormat | None = None,
        template_arguments: Mapping[str, Any] | None = None,
        max_batch: int = 256,
        cache_tokens: int | None = None,
        reproducible: bool = True,
        peek_end: bool = True,
    ) -> None:
        """Load the model and start its thread.

        Args:
            source: a model folder, or a model (lent until :meth:`close`) and its tokenizer.
            device, dtype: where and in which numbers a folder's model runs.
            name: how traces call this policy; the folder's name by default.
            format: how prompts look; by default what the folder says.
            template_arguments: more arguments for the chat template.
            max_batch: the most continuations that are sampled at once.
            cache_tokens: how many tokens' keys and values are kept; by default what fits in 1 GiB of
                memory, or in 30 % of the free memory of a GPU.

        Raises:
            InputError: the folder does not hold a usable model.
        """
        if reproducible:
            prepare_cpu()
        if isinstance(source, tuple):
            model, self.tokenizer = source
            check_tokenizer(self.tokenizer, name or "policy")
        else:
            folder = Path(source)
            model, self.tokenizer = load_policy(folder, device=device, dtype=dtype)
            name = name or folder.name
            format = format or load_format(folder)
        if max_batch < 1:
            raise InputError("max_batch must be at least 1")
        self.name = name or "policy"
        self.format = (format or PromptFormat()).with_arguments(template_arguments or {})
        self.context = context_length(model, self.tokenizer)
        self._max_batch = max_batch
        self._peek_end = peek_end
        self._roots: set[int] = set()
        self._ends = StepEnds(self.tokenizer, model.config.get_text_config().vocab_size)
        self._model = CachedModel(model, name=self.name, reproducible=reproducible, cache_tokens=cache_tokens)
        self._decoder = Decoder(
            self._model,
            self._ends,
            end_tokens(model, self.tokenizer),
            lru_cache(maxsize=2**16)(lambda tokens: decode(self.tokenizer, tokens)),
            max_batch=max_batch,
            peek_end=peek_end,
        )
        self._worker = Worker(self._decoder, self.name, shared=model.device.type == "cpu")

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, ready for the first step to follow."""
        tokens = problem_tokens(self.tokenizer, problem, self.format)
        # The prompt itself may end like a step does, but no end-of-text was decided after it.
        self._roots.add(hash(tokens))
        return tokens

    def question(self, text: str, reply: str) -> Tokens:
        """The token ids of a question, by the model's prompt format but without its instruction, and of the
        beginning of the reply."""
        tokens = question_tokens(self.tokenizer, text, reply, self.format)
        self._roots.add(hash(tokens))
        return tokens

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step, as they were sampled."""
        return step.tokens

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        """Sample one continuation for each seed of the request.

        A policy that ends the text at once gives a sample without steps. With ``total_tokens``, a sample is
        cut where it has as many tokens as the other unfinished ones: where that is depends on the lengths of
        the samples alone.

        Raises:
            EngineError: the prompt does not fit the model, the model failed, or ``total_tokens`` is less
                than one token for each sample.
        """
        check_total(request, self.name)
        fitting = replace(request, max_tokens=min(request.max_tokens, self.context - len(request.prompt)))
        self._check(request, fitting)
        seeds = request.seeds
        parts = [seeds[first : first + self._max_batch] for first in range(0, len(seeds), self._max_batch)]
        requests = [replace(fitting, seeds=part) for part in parts]
        if request.total_tokens is None:
            drawn = await asyncio.gather(*(self._submit(part, None) for part in requests))
            return [sample for part in drawn for sample in part]
        samples: list[Sample] = []
        for part in requests:
            left = request.total_tokens - sum(sample.generated for sample in samples)
            enough = left >= len(part.seeds)
            samples += await self._submit(part, left) if enough else [NOTHING] * len(part.seeds)
        return samples

    def stats(self) -> dict[str, float]:
        """What the engine has done so far: the fields of :class:`restmcts.engines.batching.EngineStats`."""
        return asdict(self._decoder.stats())

    def close(self) -> None:
        """End the thread and give a lent model its own attention back."""
        self._worker.close()
        self._model.restore()

    def _submit(self, request: SamplingRequest, left: int | None) -> asyncio.Future[list[Sample]]:
        """Hand over a request that fits a batch."""
        loop = asyncio.get_running_loop()
        prompt = tuple(request.prompt)
        job = SamplingJob(
            future=loop.create_future(),
            loop=loop,
            request=request,
            prompt=prompt,
            open=self._is_open(prompt),
            left=left,
        )
        self._worker.submit(job)
        return job.future

    def _is_open(self, prompt: Tokens) -> bool:
        """Has it been decided already that the text does not end after this prompt?"""
        return self._peek_end and self._ends.separates[prompt[-1]] and hash(prompt) not in self._roots

    def _check(self, request: SamplingRequest, fitting: SamplingRequest) -> None:
        length = len(request.prompt)
        if not request.prompt:
            raise EngineError(f"{self.name}: an empty prompt")
        if request.max_tokens < 1:
            raise EngineError(f"{self.name}: max_tokens must be at least 1, not {request.max_tokens}")
        if fitting.max_tokens < 1:
            raise EngineError(
                f"{self.name}: the prompt has {length} tokens, the model takes {self.context} in all"
            )
        samples = min(len(request.seeds), self._max_batch)
        needed = length + most_tokens(samples, fitting.max_tokens, request.total_tokens)
        if needed > self._model.cache.capacity:
            raise EngineError(
                f"{self.name}: a request may need {needed} cached tokens, the cache holds "
                f"{self._model.cache.capacity}; raise cache_tokens or lower max_tokens"
            )
