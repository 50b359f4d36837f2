"""An engine that takes the time of a model and needs none of its hardware, as a plug-in.

It answers from a script, so that every search has 20 events. How long a search takes depends on its number
alone: the time is long-tailed, as that of searches by a model is, and all requests of a search share it. No
torch is imported.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from random import Random
from typing import Any, Final

from pydantic import Field

from benchmarks.search_overhead import POOL, PROMPT, STEP_TOKENS, ReadyPolicy, ReadyValue
from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.registry import Engine
from restmcts.search.methods.mcts import Mcts
from restmcts.settings import Settings

SEARCH: Final = Mcts(branch=4, rollout_steps=2, rounds=2, early_stop=False)
"""What gives 20 events by this engine, the verdicts included."""

REQUESTS: Final = 3
"""Requests to the policy in such a search, one after the other."""

SPREAD: Final = 0.5
"""The standard deviation of the logarithm of the time: one search in 100 takes 2.8 times the mean."""

STEPS: Final = 2
"""Steps of a whole solution."""


def search_seconds(number: int, mean: float) -> float:
    """How long the search with a number takes, in seconds, where searches take ``mean`` on average."""
    return mean * math.exp(SPREAD * Random(number).gauss() - SPREAD**2 / 2)


class SimulatedPolicy(ReadyPolicy):
    """Continues partial solutions from a script, after a time.

    Args:
        mean: the mean time of a search, in seconds.
    """

    name = "simulated"

    def __init__(self, mean: float) -> None:
        super().__init__()
        self._mean = mean
        self._spent = 0.0
        self._generated = 0

    def prompt(self, problem: str) -> Tokens:
        """The tokens of a problem, whose text is the number of its search."""
        return (int(problem), *PROMPT[1:])

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        seconds = search_seconds(request.prompt[0], self._mean) / REQUESTS
        await asyncio.sleep(seconds)
        self._spent += seconds
        depth = (len(request.prompt) - len(PROMPT)) // STEP_TOKENS
        pool = self._last if depth + 1 >= STEPS else self._steps
        found = [pool[seed % POOL] for seed in request.seeds]
        self._generated += sum(sample.generated for sample in found)
        return found

    def stats(self) -> dict[str, float]:
        return {"generated_tokens": float(self._generated), "seconds": self._spent}


class SimulatedSettings(Settings):
    """The keys of ``models.settings.simulated``."""

    seconds: float = Field(default=0.0, ge=0, description="the mean time of a search")


def open_policy(folder: Path, models: Any, name: str) -> SimulatedPolicy:
    return SimulatedPolicy(models.of_engine("simulated").seconds)


def open_value(folder: Path, models: Any, name: str) -> ReadyValue:
    return ReadyValue()


SIMULATED = Engine(
    summary="answers from a script after a time",
    open_policy=open_policy,
    open_value=open_value,
    settings=SimulatedSettings,
)
