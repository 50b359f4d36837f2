"""From sampled tokens to steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from restmcts.engines.base import Sample, Tokens
from restmcts.prompts import StepEnds
from store.events import Step


def make_sample(
    tokens: Sequence[int],
    logprobs: Sequence[float] | None,
    *,
    ends: StepEnds,
    decode: Callable[[Tokens], str],
    ended: bool,
    truncated: bool,
    cut: bool = False,
) -> Sample:
    """Cut sampled tokens into steps.

    ``logprobs`` has one more than ``tokens`` when the end-of-text token was sampled (``ended``): the last
    step takes it along. Without any, steps have none.
    """
    steps: list[Step] = []
    place = 0
    split = ends.split(tokens)
    for part in split:
        end = place + len(part)
        last = len(steps) == len(split) - 1
        own = None if logprobs is None else logprobs[place:] if last else logprobs[place:end]
        logprob = None if own is None else round(sum(own), 6)
        steps.append(Step(decode(part), part, logprob, ended and last))
        place = end
    return Sample(tuple(steps), len(tokens) + ended, truncated, cut=cut)
