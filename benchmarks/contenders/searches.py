"""Our searches through the real driver, and a recording of what they asked of their engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders.workload import Workload
from restmcts.engines.base import Policy, Sample, Sampling, SamplingRequest, Tokens, ValueModel
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from restmcts.tools.speed import FreeValues


@dataclass(slots=True)
class Asked:
    """A request to the policy, and the samples that came back."""

    request: SamplingRequest
    samples: list[Sample] = field(default_factory=list)


@dataclass
class Recording:
    """All requests of a search in the order in which they were made; values by groups of prompts."""

    proposals: list[Asked] = field(default_factory=list)
    values: list[Sequence[Tokens]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens that were generated."""
        return sum(sample.generated for asked in self.proposals for sample in asked.samples)

    @property
    def scored(self) -> int:
        """Partial solutions that were scored."""
        return sum(map(len, self.values))


class RecordedPolicy:
    """A policy that notes down what it is asked."""

    def __init__(self, policy: Policy, recording: Recording) -> None:
        self._policy = policy
        self._recording = recording
        self.name, self.context = policy.name, policy.context
        self.prompt, self.question, self.tokens = policy.prompt, policy.question, policy.tokens
        self.stats, self.close = policy.stats, policy.close

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        asked = Asked(request)
        self._recording.proposals.append(asked)
        asked.samples = await self._policy.propose(request)
        return asked.samples


class RecordedValue:
    """A value model that notes down what it is asked."""

    def __init__(self, value: ValueModel, recording: Recording) -> None:
        self._value = value
        self._recording = recording
        self.name, self.context = value.name, value.context
        self.prompt, self.tokens = value.prompt, value.tokens
        self.stats, self.close = value.stats, value.close

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        self._recording.values.append(prompts)
        return await self._value.score(prompts)


def make_tasks(workload: Workload, parallel: int) -> list[SearchTask]:
    """A search with MCTS* for every problem, which ends when its token budget is spent."""
    settings = Mcts(branch=workload.branch, rounds=0, early_stop=False, parallel_rounds=parallel)
    return [
        SearchTask(
            problem,
            "mcts",
            settings,
            seed=workload.seed + number,
            budget=workload.budget,
            number=number,
        )
        for number, problem in enumerate(workload.problems)
    ]


def forget(engine: Any) -> None:
    """Empty the prefix cache of one of our engines, in which nothing runs."""
    if isinstance(engine, FreeValues):
        return
    if hasattr(engine, "_model"):
        engine._model.clear()
    else:
        engine._engine._core.engine.reset_prefix_cache()


def search(
    workload: Workload, policy: Policy, value: ValueModel, recording: Recording, parallel: int = 1
) -> tuple[int, dict[str, Any]]:
    """Run all searches, each with so many rounds side by side; returns the tokens that they generated."""
    sampling = Sampling(temperature=workload.temperature, step_tokens=workload.step_tokens)
    engines = Engines(
        RecordedPolicy(policy, recording), RecordedValue(value, recording), RuleCritic(), sampling
    )

    async def run() -> list[Any]:
        tasks = make_tasks(workload, parallel)
        return [record async for record in run_searches(tasks, engines, workload.concurrency)]

    before = counted(policy), counted(value)
    records = asyncio.run(run())
    failed = [record for record in records if record.result.reason == "failed"]
    if failed:
        raise RuntimeError(f"a search failed: {failed[0].events[-1].message}")
    computed = [now - then for now, then in zip((counted(policy), counted(value)), before, strict=True)]
    details = {
        "nodes": sum(record.result.nodes - 1 for record in records),
        "requests": len(recording.proposals),
        "scored": 0 if isinstance(value, FreeValues) else recording.scored,
        "prompt_tokens_computed": {"policy": computed[0], "value": computed[1]},
        "cut_short": sum(record.events[-1].cost.policy for record in records) / recording.tokens,
        "reasons": sorted({record.result.reason for record in records}),
    }
    return recording.tokens, details


def counted(engine: Policy | ValueModel) -> float:
    """Prompt tokens that the engine has computed so far, those from its cache left out."""
    stats = engine.stats()
    return stats.get("prompt_tokens", 0) - stats.get("cached_tokens", 0)
