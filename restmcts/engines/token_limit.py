"""A limit for all samples of a request, where the engine knows only limits for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from restmcts.engines.base import Sample
from restmcts.errors import EngineError

Draw = Callable[[Sequence[int], int], Awaitable[list[Sample]]]
"""Draws samples with these seeds and at most so many tokens each."""

NOTHING: Final = Sample((), 0, True, cut=True)
"""A sample for which nothing was left."""


async def draw_in_turns(draw: Draw, seeds: Sequence[int], max_tokens: int, total_tokens: int) -> list[Sample]:
    """Draw samples that take at most ``total_tokens`` tokens: as many at once as fit at their longest.

    Near the end of it that is one after the other, the last one with what is left; those for which nothing is
    left have no tokens. See ``total_tokens`` of :meth:`restmcts.engines.base.Policy.propose`.
    """
    samples: list[Sample] = []
    while len(samples) < len(seeds):
        left = total_tokens - sum(sample.generated for sample in samples)
        if left < 1:
            return [*samples, *[NOTHING] * (len(seeds) - len(samples))]
        longest = min(max_tokens, left)
        first = len(samples)
        drawn = await draw(seeds[first : first + left // longest], longest)
        short = longest < max_tokens
        samples += [replace(sample, cut=short and sample.truncated) for sample in drawn]
    return samples


def check_total_tokens(total_tokens: int | None, samples: int, name: str) -> None:
    """Refuse a limit that leaves some of the samples without a token.

    Raises:
        EngineError: ``total_tokens`` is less than a token a sample.
    """
    if total_tokens is not None and total_tokens < samples:
        raise EngineError(f"{name}: {samples} samples cannot take {total_tokens} tokens together")
