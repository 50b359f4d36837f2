"""A policy and a value model for tests of the driver: deterministic, and unpredictable in their timing.

Every sample depends on its prompt, its seed and the limits alone. With a :class:`Gate`, requests are answered
in a pseudo-random order, one at a time, whenever all searches wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.errors import EngineError
from restmcts.problems.problem import Problem
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import run_search, run_searches
from restmcts.search.running.task import Engines, SearchTask
from restmcts.search.settings import Method
from store.events import SearchRecord, Step
from tests.support.sampling import shared_passes

SHORT: dict[str, dict[str, Any]] = {
    "self-consistency": {"samples": 5},
    "best-of-n": {"samples": 5, "answer_by": "best-minimum"},
    "step-completions": {"traces": 3, "completions": 2},
    "tot-bfs": {"depth": 5, "repeat": False, "early_stop": False},
    "tot-dfs": {"depth": 5, "repeat": False, "early_stop": False},
    "beam": {"width": 6, "branch": 2, "repeat": False, "early_stop": False},
    "dvts": {"subtrees": 3, "branch": 2, "repeat": False, "early_stop": False},
    "rebase": {"width": 6, "repeat": False, "early_stop": False},
    "mcts": {"rounds": 12},
    "mcts-improved": {"rounds": 6},
    "posterior-search": {"steps": 20},
}
"""Settings for the methods that only a budget ends by default, or that end late."""

LIMITED: dict[str, Method] = {name: METHODS[name].settings(**SHORT.get(name, {})) for name in METHODS}
"""Settings of every method with which a search ends without a budget."""

PROMPT = (1001, 1002, 1003)
VALUE_PROMPT = (2001, 2002)


def dice(*parts: object) -> random.Random:
    return random.Random(hashlib.sha256(repr(parts).encode()).digest())


class Gate:
    """Lets waiting requests go on in a pseudo-random order, without looking at a clock."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        loop.call_soon(self._open)
        await turn

    def _open(self) -> None:
        waiting = [turn for turn in self._waiting if not turn.done()]
        if waiting:
            chosen = self._chance.choice(waiting)
            chosen.set_result(None)
        self._waiting = [turn for turn in waiting if not turn.done()]


@dataclass
class Writer:
    """A policy that writes steps of one to four tokens; a solution has ``depth`` steps or a few less.

    ``variety`` is the number of different steps after a partial solution; ``empty`` the share of samples
    that are no step.
    """

    depth: int = 4
    variety: int = 3
    empty: float = 0.0
    context: int = 10_000
    gate: Gate | None = None
    fail_at: int | None = None
    name: str = "writer"
    calls: list[SamplingRequest] = field(default_factory=list)
    generated: int = 0

    def prompt(self, problem: str) -> Tokens:
        return (*PROMPT, *(3000 + ord(letter) for letter in problem))

    def question(self, text: str, reply: str) -> Tokens:
        return (*PROMPT, *(3000 + ord(letter) for letter in text + reply))

    def tokens(self, step: Step) -> Tokens:
        return step.tokens

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        prompt, total = request.prompt, request.total_tokens
        assert request.max_tokens >= 1 and len(prompt) + request.max_tokens <= self.context
        assert total is None or total >= len(request.seeds)
        self.calls.append(request)
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_at is not None and len(self.calls) >= self.fail_at:
            raise EngineError("writer: out of ink")
        how = request.max_tokens, request.until, request.temperature
        samples = [self.write(prompt, seed, *how) for seed in request.seeds]
        if total is not None:
            passes = shared_passes([sample.generated for sample in samples], total)
            cut = Sample((), passes, True, cut=True)
            samples = [cut if sample.generated > passes else sample for sample in samples]
        self.generated += sum(sample.generated for sample in samples)
        return samples

    def write(self, prompt: Tokens, seed: int, most: int, until: str, temperature: float) -> Sample:
        chance = dice(prompt) if temperature == 0 else dice(prompt, seed)
        steps: list[Step] = []
        used = 0
        depth = sum(token == 9 for token in prompt)
        while True:
            if used == most:
                return Sample(tuple(steps), most, True)
            if chance.random() < self.empty:
                return Sample(tuple(steps), used + 1, False)
            number = chance.randrange(self.variety)
            last = depth + 1 >= self.depth or chance.random() < 0.1
            tokens = (*range(10, 10 + number % 4), 100 + number, 9)
            if used + len(tokens) > most:
                return Sample(tuple(steps), most, True)
            text = f"{depth}.{number} the answer is {number}" if last else f"{depth}.{number}\n"
            steps.append(Step(text, tokens, -0.5, last))
            used += len(tokens)
            depth += 1
            if last or until == "step":
                return Sample(tuple(steps), used, False)

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


@dataclass
class Judge:
    """A value model whose values depend on the partial solution alone."""

    context: int = 10_000
    gate: Gate | None = None
    highest: float = 1.0
    fail_at: int | None = None
    name: str = "judge"
    scored: list[Tokens] = field(default_factory=list)
    calls: int = 0

    def prompt(self, problem: str) -> Tokens:
        return (*VALUE_PROMPT, *(3000 + ord(letter) for letter in problem))

    def tokens(self, step: Step) -> Tokens:
        return step.tokens

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        assert all(len(prompt) <= self.context for prompt in prompts)
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_at is not None and self.calls >= self.fail_at:
            raise EngineError("judge: asleep")
        self.scored += prompts
        return [round(self.highest * dice("value", prompt).random(), 3) for prompt in prompts]

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


def engines(policy: Any = None, value: Any = None, **more: Any) -> Engines:
    """Engines of a test; ``value`` False: there is no value model."""
    judge = None if value is False else value or Judge()
    sampling = more.pop("sampling", Sampling(temperature=0.7, step_tokens=8, trace_tokens=30))
    critic = more.pop("critic", None) or RuleCritic()
    return Engines(policy or Writer(), judge, critic, sampling, **more)


def task(
    method: str,
    settings: Method | None = None,
    *,
    budget: int | None = None,
    seed: int = 1,
    number: int = 0,
    text: str = "q",
    oracle: str | None = None,
) -> SearchTask:
    chosen = METHODS[method].settings() if settings is None else settings
    return SearchTask(Problem(f"p{number}", text, oracle), method, chosen, seed, budget, "1.search", number)


def run(wanted: SearchTask, used: Engines) -> SearchRecord:
    return asyncio.run(run_search(wanted, used))


def run_many(wanted: Sequence[SearchTask], used: Engines, concurrency: int) -> list[SearchRecord]:
    """The records without their wall times, by the number of the search."""

    async def collect() -> list[SearchRecord]:
        found = [record async for record in run_searches(wanted, used, concurrency)]
        return sorted(found, key=lambda record: int(record.header.id.rpartition("/")[2]))

    records = asyncio.run(collect())
    return [replace(record, result=replace(record.result, seconds=0.0)) for record in records]
