"""Requests to an engine of vLLM, and what has come of them so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from restmcts.engines.base import Tokens
from restmcts.engines.batching import Job


@dataclass(slots=True, eq=False)
class Allowance:
    """What the samples of some requests may still take together, in tokens.

    ``drawing`` are the samples that take from it with the next forward pass.
    """

    left: int
    drawing: int = 0

    @property
    def spent(self) -> bool:
        """Is there too little left for a token for each?"""
        return self.left < self.drawing


@dataclass(slots=True, eq=False)
class Part:
    """A sample as far as it is drawn; ``finish_reason`` None: it is not at its end.

    ``logprobs`` stays None where they are not asked for.
    """

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] | None = None
    finish_reason: str | None = None

    @classmethod
    def of(cls, part: Any) -> Part:
        """A sample that vLLM hands over at its end."""
        whole = cls()
        whole.add(part)
        return whole

    def add(self, part: Any) -> None:
        """Add what vLLM has sampled since."""
        self.token_ids += part.token_ids
        if part.logprobs is not None:
            self.logprobs = self.logprobs or []
            self.logprobs += part.logprobs.logprobs
        self.finish_reason = part.finish_reason


@dataclass(slots=True, eq=False)
class Request(Job):
    """A prompt with vLLM's parameters for it.

    Where samples are drawn, the result is the request itself with the samples in ``outputs``, which may have
    an ``allowance`` together. Otherwise the result is vLLM's output.
    """

    prompt: Tokens
    parameters: Any
    allowance: Allowance | None = None
    outputs: list[Part] = field(default_factory=list)
    num_cached_tokens: int = 0

    @property
    def prompt_token_ids(self) -> Tokens:
        return self.prompt

    @property
    def complete(self) -> bool:
        """Have all samples come to their ends?"""
        return all(part.finish_reason is not None for part in self.outputs)

    def begin(self) -> None:
        """Make room for the samples, and take part in the allowance."""
        self.outputs = [Part() for _ in range(self.parameters.n)]
        if self.allowance is not None:
            self.allowance.drawing += len(self.outputs)

    def take(self, index: int, part: Any, cached: int | None) -> None:
        """Add what vLLM has sampled since, and pay for it.

        ``cached`` tokens of the prompt were not computed again; what counts is that of the last sample.
        """
        self.outputs[index].add(part)
        if index == len(self.outputs) - 1:
            self.num_cached_tokens = cached or 0
        if self.allowance is not None:
            self.allowance.left -= len(part.token_ids)
            self.allowance.drawing -= part.finish_reason is not None

    def leave(self) -> None:
        """Take no part in the allowance any more."""
        if self.allowance is not None:
            self.allowance.drawing -= sum(part.finish_reason is None for part in self.outputs)
            self.allowance = None


@dataclass(slots=True)
class Tally:
    """Tokens of finished requests."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0

    def count(self, output: Any) -> None:
        """Add an output of vLLM, of sampling or of pooling."""
        self.prompt_tokens += len(output.prompt_token_ids)
        self.cached_tokens += output.num_cached_tokens or 0
        if isinstance(output.outputs, list):
            self.generated_tokens += sum(len(part.token_ids) for part in output.outputs)
