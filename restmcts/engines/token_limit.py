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


async def draw_in_turns(draw: Draw, seeds: Sequence[int], max_tokens: int, together: int) -> list[Sample]:
    """Draw samples that take at most ``together`` tokens: as many at once as fit at their longest.

    Near the end of it that is one after the other, the last one with what is left; those for which nothing is
    left have no tokens. See ``together`` of :meth:`restmcts.engines.base.Policy.propose`.
    """
    samples: list[Sample] = []
    while len(samples) < len(seeds):
        left = together - sum(sample.generated for sample in samples)
        if left < 1:
            return [*samples, *[NOTHING] * (len(seeds) - len(samples))]
        longest = min(max_tokens, left)
        first = len(samples)
        drawn = await draw(seeds[first : first + left // longest], longest)
        short = longest < max_tokens
        samples += [replace(sample, cut=short and sample.truncated) for sample in drawn]
    return samples


def check_together(together: int | None, samples: int, name: str) -> None:
    """Refuse a limit that leaves some of the samples without a token.

    Raises:
        EngineError: ``together`` is less than a token a sample.
    """
    if together is not None and together < samples:
        raise EngineError(f"{name}: {samples} samples cannot take {together} tokens together")
