"""Requests to an engine of vLLM in this process, with the samples that are drawn so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from restmcts.engines.base import Tokens
from restmcts.engines.batching import Job
from restmcts.engines.vllm.outputs import Allowance, Part


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
