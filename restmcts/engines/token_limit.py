"""A limit for all samples of a request, where the engine knows only limits for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from restmcts.engines.base import Sample, SamplingRequest
from restmcts.errors import EngineError

Draw = Callable[[SamplingRequest], Awaitable[list[Sample]]]
"""Draws the samples of a request without ``total_tokens``."""

NOTHING: Final = Sample((), 0, True, cut=True)
"""A sample for which no tokens were left."""


async def draw_in_turns(draw: Draw, request: SamplingRequest, total_tokens: int) -> list[Sample]:
    """Draw the samples of a request with at most ``total_tokens`` tokens.

    Each call of ``draw`` gets as many seeds as fit at their longest. Near the limit that is one seed a call,
    the last one with the tokens that are left. Samples for which no token is left are empty.
    """
    samples: list[Sample] = []
    while len(samples) < len(request.seeds):
        left = total_tokens - sum(sample.generated for sample in samples)
        if left < 1:
            return [*samples, *[NOTHING] * (len(request.seeds) - len(samples))]
        longest = min(request.max_tokens, left)
        first = len(samples)
        seeds = request.seeds[first : first + left // longest]
        drawn = await draw(replace(request, seeds=seeds, max_tokens=longest, total_tokens=None))
        short = longest < request.max_tokens
        samples += [replace(sample, cut=short and sample.truncated) for sample in drawn]
    return samples


def check_total(request: SamplingRequest, name: str) -> None:
    """Refuse a limit that leaves some of the samples without a token.

    Raises:
        EngineError: ``total_tokens`` is less than one token for each sample.
    """
    total, samples = request.total_tokens, len(request.seeds)
    if total is not None and total < samples:
        raise EngineError(f"{name}: {samples} samples cannot take {total} tokens together")
