"""How many samples of a single search are in flight, without a model.

    python -m benchmarks.in_flight --budget 400 1000 3000 --parallel-rounds 1 4 8

The policy is one whose engine computes a token of every sample in a pass. Steps have 27 tokens on
average and at most 64, as those of SmolLM2 on GSM8K; the fifth ends a solution. Passes are the time of
the event loop, which jumps to the next one that something waits for, so that results do not depend on
the machine. Prints, as means over searches with different seeds: samples in flight, the share of the
tokens in samples that the budget cut short, finished solutions, and rounds that were backed up.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
from dataclasses import dataclass
from random import Random
from statistics import fmean

from rich.console import Console
from rich.table import Table

from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.problems.problem import Problem
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines, SearchTask
from restmcts.tools.speed import FreeValues
from store.events import BackedUp, SearchRecord, Step
from tests.support.sampling import shared_passes

LONGEST = 64
"""Tokens of a step."""
STEPS = 5
"""Steps of a solution."""
END_OF_STEP = 0


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: the time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class PassLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is counted in passes."""

    def __init__(self) -> None:
        self._passes = JumpingSelector()
        super().__init__(self._passes)

    def time(self) -> float:
        return self._passes.now


class PassPolicy:
    """Writes one token of every sample in a pass."""

    name = "passes"
    context = 1_000_000

    def prompt(self, problem: str) -> Tokens:
        return (1,)

    def question(self, text: str, reply: str) -> Tokens:
        return (1,)

    def tokens(self, step: Step) -> Tokens:
        return step.tokens

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        ended = request.prompt.count(END_OF_STEP) + 1 >= STEPS
        lengths = [
            min(request.max_tokens, 3 + int(Random(seed).gammavariate(3, 8))) for seed in request.seeds
        ]
        total = request.total_tokens
        passes = max(lengths) if total is None else shared_passes(lengths, total)
        await asyncio.sleep(passes)
        return [
            Sample((), passes, True, cut=True) if length > passes else whole(seed, length, ended)
            for seed, length in zip(request.seeds, lengths, strict=True)
        ]

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


def whole(seed: int, length: int, ended: bool) -> Sample:
    """A step that no budget cut short."""
    tokens = (*[1 + seed % 997] * (length - 1), END_OF_STEP)
    return Sample((Step(f"{seed}\n", tokens, ended=ended),), length, False)


@dataclass(frozen=True, slots=True)
class Flight:
    """A search and how long it took."""

    record: SearchRecord
    passes: float

    @property
    def in_flight(self) -> float:
        return self.record.result.cost.policy / self.passes

    @property
    def cut(self) -> float:
        return self.record.events[-1].cost.policy / self.record.result.cost.policy

    @property
    def rounds(self) -> int:
        return sum(isinstance(event, BackedUp) for event in self.record.events)


def fly(method: str, parallel: int, budget: int, seed: int) -> Flight:
    """Run one search."""
    settings = METHODS[method].settings.model_validate(
        {"parallel_rounds": parallel, "rounds": 0, "early_stop": False}
    )
    task = SearchTask(Problem("p", "q", None), method, settings, seed, budget)
    policy = PassPolicy()
    engines = Engines(policy, FreeValues(policy), RuleCritic(), Sampling(step_tokens=LONGEST))

    async def search() -> Flight:
        record = await run_search(task, engines)
        return Flight(record, asyncio.get_running_loop().time())

    with asyncio.Runner(loop_factory=PassLoop) as runner:
        return runner.run(search())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--method", default="mcts", choices=["mcts", "mcts-improved"])
    parser.add_argument("--budget", type=int, nargs="+", default=[400, 1000, 3000])
    parser.add_argument("--parallel-rounds", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--searches", type=int, default=20)
    given = parser.parse_args()
    table = Table(
        "budget", "parallel rounds", "in flight", "cut short, %", "finished", "rounds", title=given.method
    )
    for budget in given.budget:
        for parallel in given.parallel_rounds:
            flights = [fly(given.method, parallel, budget, seed) for seed in range(given.searches)]
            row = [
                f"{fmean(flight.in_flight for flight in flights):.2f}",
                f"{100 * fmean(flight.cut for flight in flights):.1f}",
                f"{fmean(flight.record.result.finished for flight in flights):.1f}",
                f"{fmean(flight.rounds for flight in flights):.1f}",
            ]
            table.add_row(str(budget), str(parallel), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
