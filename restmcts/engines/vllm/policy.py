"""A policy on vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from restmcts.engines.base import Sample, SamplingRequest, Tokens, check_tokens
from restmcts.engines.loading import as_whole, context_length, end_tokens, load_policy
from restmcts.engines.samples import make_sample
from restmcts.engines.settings import ModelSettings
from restmcts.engines.soundness import check_finite_files
from restmcts.engines.token_limit import check_total, draw_in_turns
from restmcts.engines.vllm.engine import open_engine
from restmcts.engines.vllm.outputs import Allowance, Part
from restmcts.errors import EngineError
from restmcts.prompts import PromptFormat, StepEnds, decode, load_format, problem_tokens, question_tokens
from store.events import Step

HOTTEST: Final = 2.0
"""The highest temperature that vLLM takes."""

SEED_STEP: Final = 0x9E3779B97F4A7C15
"""Between the seeds of the parts of one sample; odd and large, so that no other sample has them."""


@dataclass(slots=True)
class Draft:
    """A continuation as far as it is sampled.

    ``full``: the token limit came first. ``cut``: that of all samples together did. ``logprobs`` stays None
    where they are not asked for.
    """

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] | None = None
    ended: bool = False
    full: bool = False
    cut: bool = False


class VllmPolicy:
    """Any causal language model that vLLM runs, as a policy.

    Keys and values of prompts are reused: on a CPU all of those that were computed before, on GPUs by full
    blocks. Every sample has the random numbers of its seed, but arithmetic depends on what else is in the
    batch: equal requests can give other samples.

    A step ends with a newline; what comes after it is not looked at. A text that ends there is seen when
    the next step is asked for: that is a sample without steps. (The ``transformers`` engine samples one
    token more and marks the step as ``ended``, unless it is told not to.)

    At temperature 0 all samples of a request are one, computed once.
    """

    def __init__(
        self,
        folder: Path,
        models: ModelSettings,
        *,
        name: str | None = None,
        format: PromptFormat | None = None,
        outside: bool | None = None,
    ) -> None:
        """Check the folder, then start vLLM.

        Args:
            folder: the model folder.
            models: device, numbers, threads and ``vllm``.
            name: how traces call this policy; the folder's name by default.
            format: how prompts look; by default what the folder says.
            outside: run vLLM in processes of its own; by default not on a CPU.

        Raises:
            InputError: the folder does not hold a usable model, or vLLM cannot run it.
        """
        # Without weights: they are vLLM's to load.
        model, self.tokenizer = load_policy(folder, device="meta")
        self.name = name or folder.name
        self.format = (format or load_format(folder)).with_arguments(models.chat_template_arguments)
        self._vocabulary = int(model.config.get_text_config().vocab_size)
        self._ends = StepEnds(self.tokenizer, self._vocabulary)
        self._last = frozenset(end_tokens(model, self.tokenizer))
        separators = [token for token, separates in enumerate(self._ends.separates) if separates]
        self._stops = {"end": sorted(self._last), "step": sorted(self._last.union(separators))}
        self._decode = lru_cache(maxsize=2**16)(lambda tokens: decode(self.tokenizer, tokens))
        self._logprobs = models.vllm.logprobs
        with as_whole(folder) as whole:
            check_finite_files(whole)
            self._engine = open_engine(whole, models, runner="generate", name=self.name, outside=outside)
        self.context = min(context_length(model, self.tokenizer), self._engine.context)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, ready for the first step to follow."""
        return problem_tokens(self.tokenizer, problem, self.format)

    def question(self, text: str, reply: str) -> Tokens:
        """The token ids of a question, by the model's prompt format but without its instruction, and of the
        beginning of the reply."""
        return question_tokens(self.tokenizer, text, reply, self.format)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step, as they were sampled."""
        return step.tokens

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        """Sample one continuation for each seed of the request.

        If vLLM runs in processes of its own, samples that might take more than ``total_tokens`` are drawn
        one after the other.

        Raises:
            EngineError: the prompt does not fit the model, the model failed, or ``total_tokens`` is less
                than one token for each sample.
        """
        fitting = replace(request, max_tokens=min(request.max_tokens, self.context - len(request.prompt)))
        self._check(request, fitting)
        check_total(request, self.name)
        if request.temperature == 0:
            total, samples = request.total_tokens, len(request.seeds)
            each = None if total is None else total // samples
            one = replace(fitting, seeds=request.seeds[:1], total_tokens=each)
            return (await self._draw(one)) * samples
        return await self._draw(fitting)

    def stats(self) -> dict[str, float]:
        """What the engine has done so far: the fields of :class:`restmcts.engines.batching.EngineStats`.

        Of a request for several samples, the prompt counts once, as cached as it was for the last of them.
        """
        return asdict(self._engine.stats())

    def close(self) -> None:
        """Free memory, threads and processes."""
        self._engine.close()

    async def _draw(self, request: SamplingRequest) -> list[Sample]:
        total = request.total_tokens
        if total is None or total >= len(request.seeds) * request.max_tokens:
            return await self._at_once(request)
        if self._engine.counts_tokens:
            return await self._at_once(request, Allowance(total))
        return await draw_in_turns(self._at_once, request, total)

    async def _at_once(self, request: SamplingRequest, allowance: Allowance | None = None) -> list[Sample]:
        asked = [
            self._samples(request, first, count, allowance) for first, count in consecutive(request.seeds)
        ]
        return [sample for part in await asyncio.gather(*asked) for sample in part]

    async def _samples(
        self, request: SamplingRequest, seed: int, count: int, allowance: Allowance | None
    ) -> list[Sample]:
        """Samples with the seeds ``seed``, ``seed + 1`` and so on."""
        drafts = [Draft() for _ in range(count)]
        await self._extend(request, drafts, seed, allowance)
        return [
            make_sample(
                draft.tokens,
                draft.logprobs,
                ends=self._ends,
                decode=self._decode,
                ended=draft.ended,
                truncated=draft.full or draft.cut,
                cut=draft.cut,
            )
            for draft in drafts
        ]

    async def _extend(
        self, request: SamplingRequest, drafts: Sequence[Draft], seed: int, allowance: Allowance | None
    ) -> None:
        """Continue drafts that have the same tokens; ``seed`` is that of the first one."""
        written = drafts[0].tokens
        parameters = self._parameters(request, seed, len(drafts), request.max_tokens - len(written))
        output = await self._engine.run((*request.prompt, *written), parameters, allowance)
        counted = self._engine.counts_tokens
        parts: list[Part] = output.outputs if counted else list(map(Part.of, output.outputs))
        unfinished = []
        for number, (draft, part) in enumerate(zip(drafts, parts, strict=True)):
            self._take(draft, part)
            if self._goes_on(request, draft):
                later = (seed + number + len(draft.tokens) * SEED_STEP) % 2**63
                unfinished.append(self._extend(request, [draft], later, allowance))
        if unfinished:
            await asyncio.gather(*unfinished)

    def _take(self, draft: Draft, part: Part) -> None:
        draft.tokens += part.token_ids
        if part.logprobs is not None:
            draft.logprobs = [*(draft.logprobs or ()), *part.logprobs]
        draft.full = part.finish_reason == "length"
        draft.cut = part.finish_reason is None
        if draft.tokens and draft.tokens[-1] in self._last:
            draft.tokens.pop()
            draft.ended, draft.full = True, False

    def _goes_on(self, request: SamplingRequest, draft: Draft) -> bool:
        """Was it stopped by a newline before which nothing visible was written?"""
        if request.until == "end" or draft.ended or draft.full or draft.cut:
            return False
        begun = any(self._ends.visible[token] for token in draft.tokens[:-1])
        if self._ends.ends(draft.tokens[-1], begun):
            return False
        draft.full = len(draft.tokens) >= request.max_tokens
        return not draft.full

    def _parameters(self, request: SamplingRequest, seed: int, count: int, max_tokens: int) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        each_token = self._engine.counts_tokens

        return SamplingParams(
            n=count,
            seed=seed,
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=max_tokens,
            stop_token_ids=self._stops[request.until],
            # Of the sampled token alone, at temperature 1, in one flat list.
            logprobs=0 if self._logprobs else None,
            flat_logprobs=self._logprobs,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA if each_token else RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )

    def _check(self, request: SamplingRequest, fitting: SamplingRequest) -> None:
        if not request.prompt:
            raise EngineError(f"{self.name}: an empty prompt")
        if request.max_tokens < 1:
            raise EngineError(f"{self.name}: max_tokens must be at least 1, not {request.max_tokens}")
        if fitting.max_tokens < 1:
            raise EngineError(
                f"{self.name}: the prompt has {len(request.prompt)} tokens, the model takes {self.context} in"
                " all"
            )
        check_tokens(request.prompt, self._vocabulary, self.name)
        if not 0 <= request.temperature <= HOTTEST:
            raise EngineError(
                f"{self.name}: vLLM takes temperatures from 0 to {HOTTEST}, not {request.temperature}"
            )


def consecutive(seeds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Seeds as (first, how many): vLLM counts up from the seed of a request."""
    start = 0
    for place in range(1, len(seeds) + 1):
        if place == len(seeds) or seeds[place] != seeds[place - 1] + 1:
            yield seeds[start], place - start
            start = place
