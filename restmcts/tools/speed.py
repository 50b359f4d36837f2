"""How fast this machine samples, and how much of that a tree search keeps.

Three figures for an engine, in generated tokens a second: independent continuations of many prompts (the
engine alone, ``BRANCH`` samples a request), MCTS* whose values cost nothing, and MCTS* with a value model of
the policy's size. Nothing is learned about accuracy: the texts do not matter.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from restmcts.engines.base import Policy, Sampling, SamplingRequest, Tokens, ValueModel
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.registry import ENGINES
from restmcts.engines.settings import ModelSettings
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from store.events import Step

BRANCH = 3
STEP_TOKENS = 64
SEARCH = Mcts(branch=BRANCH, rounds=0, early_stop=False)
SAMPLING = Sampling(temperature=0.7, step_tokens=STEP_TOKENS, trace_tokens=8 * STEP_TOKENS)
FEW = 8
"""Problems of the first, short measurement, which warms up and says how many fit the time."""

SLOW_SEARCH = 0.7
"""Below this share of the engine's own speed, something is set badly."""


class FreeValues:
    """Values that cost nothing: numbers that look random, from the partial solution alone."""

    name = "free"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.context = policy.context

    def prompt(self, problem: str) -> Tokens:
        return self._policy.prompt(problem)

    def tokens(self, step: Step) -> Tokens:
        return self._policy.tokens(step)

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        return [blake2b(repr(prompt).encode(), digest_size=1).digest()[0] / 255 for prompt in prompts]

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Speed:
    """Generated tokens a second of one engine.

    ``alone``: independent samples; ``search``: MCTS* with values that cost nothing; ``valued``: MCTS* with
    a value model of the same size. ``hits``: the share of prompt tokens that the search found in the
    policy's cache.
    """

    engine: str
    alone: float
    search: float
    valued: float
    hits: float

    @property
    def ratio(self) -> float:
        """What the search keeps of the engine's own speed."""
        return self.search / self.alone


def measure(
    policy: Path, value: Path, models: ModelSettings, *, concurrency: int = 64, seconds: float = 30.0
) -> Speed:
    """Measure one engine in about ``seconds``, with ``concurrency`` prompts or searches at once.

    Raises:
        InputError: a folder or a setting is wrong, or the engine is not installed.
        EngineError: the engine failed.
    """
    opened: Policy = open_policy(policy, models, name="policy")
    try:
        asyncio.run(_sample(opened, FEW))
        rate = _timed(lambda: asyncio.run(_sample(opened, FEW)))
        tokens = max(STEP_TOKENS, int(rate * seconds / 4 / concurrency))
        alone = _timed(lambda: asyncio.run(_sample(opened, concurrency, tokens)))
        before = opened.stats()
        search = _timed(lambda: asyncio.run(_search(opened, FreeValues(opened), concurrency, tokens)))
        after = opened.stats()
        judge = open_value(value, models, name="value")
        try:
            valued = _timed(lambda: asyncio.run(_search(opened, judge, concurrency, tokens)))
        finally:
            judge.close()
    finally:
        opened.close()
    read = max(1.0, after["prompt_tokens"] - before["prompt_tokens"])
    hits = (after["cached_tokens"] - before["cached_tokens"]) / read
    return Speed(models.engine, alone, search, valued, hits)


def _timed(work: Callable[[], int]) -> float:
    """Tokens a second of work that returns its tokens."""
    begun = time.perf_counter()
    tokens = work()
    return tokens / (time.perf_counter() - begun)


def _problem(number: int) -> str:
    return f"Apply +{number % 9 + 1}, *3, -2, +4, *2 to {number}"


async def _sample(policy: Policy, prompts: int, tokens: int = STEP_TOKENS) -> int:
    """Independent steps for every prompt, until each has about ``tokens``; returns how many came."""

    async def one(number: int) -> int:
        spent = drawn = 0
        while spent < tokens:
            seeds = [number * 1_000_000 + drawn + index for index in range(BRANCH)]
            prompt = policy.prompt(_problem(number))
            request = SamplingRequest(prompt, seeds, STEP_TOKENS, "step", SAMPLING.temperature)
            samples = await policy.propose(request)
            spent += sum(sample.generated for sample in samples)
            drawn += BRANCH
        return spent

    return sum(await asyncio.gather(*map(one, range(prompts))))


async def _search(policy: Policy, value: ValueModel, concurrency: int, tokens: int) -> int:
    """MCTS* for as many problems, ``tokens`` each; returns how many were generated."""
    tasks = [
        SearchTask(
            Problem(f"p{number}", _problem(number)), "mcts", SEARCH, seed=number, budget=tokens, number=number
        )
        for number in range(concurrency)
    ]
    engines = Engines(policy, value, RuleCritic(), SAMPLING, drop_repeats=False)
    return sum([record.result.cost.generated async for record in run_searches(tasks, engines, concurrency)])


def engines_here() -> list[str]:
    """The installed engines that run model folders on this machine."""
    return [name for name in ENGINES if not ENGINES[name].asks_servers and ENGINES[name].installed]


def advice(speeds: Sequence[Speed], models: ModelSettings) -> list[str]:
    """What is set badly on this machine, as far as figures and settings tell; empty when nothing is."""
    here = engines_here()
    measured = {speed.engine for speed in speeds}
    found = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if models.threads is not None and models.threads != cores:
        found.append(f"models.threads is {models.threads} on {cores} usable cores: try {cores}")
    for name in ENGINES:
        engine = ENGINES[name]
        if not engine.asks_servers and name not in here:
            found.append(f"the engine {name} is not installed ({engine.summary}): {engine.install}")
        if name in measured and engine.advice is not None:
            found += engine.advice(models)
    return found + [_slow(speed) for speed in speeds if speed.ratio < SLOW_SEARCH]


def _slow(speed: Speed) -> str:
    cache = ENGINES[speed.engine].cache_key
    larger = f"raise {cache}, or " if cache else ""
    return (
        f"{speed.engine}: a search keeps {speed.ratio:.0%} of the engine's speed, and {speed.hits:.0%} of its"
        f" prompts were in the cache: {larger}search more problems at once (concurrency)"
    )


def measure_all(
    policy: Path, value: Path, models: ModelSettings, engines: Sequence[str], seconds: float
) -> list[Speed]:
    """One measurement an engine, sharing ``seconds``; see :func:`measure`."""
    return [
        measure(
            policy,
            value,
            models.model_copy(update={"engine": engine}),
            seconds=seconds / len(engines),
        )
        for engine in engines
    ]
