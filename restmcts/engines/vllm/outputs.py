"""What vLLM has sampled: parts of requests, limits of several samples, and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
