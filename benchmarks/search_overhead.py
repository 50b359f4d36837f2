"""What a search costs besides its models: the driver, the events and their lines in the store.

Run from the repository as ``python -m benchmarks.search_overhead``. Searches with MCTS* (branch 3, rollouts
of 2 steps) over engines that answer at once with ready-made steps and values, then encodes the searches and
appends them to a file of the store. Prints CPU time, so that what else the machine does is not counted.
Aim: at least 10,000 nodes a second on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from store.encoding.searches import encode_search
from store.events import SearchRecord, Step
from store.files.jsonl import LineWriter

PHASE = "1.search"
PROMPT = tuple(range(60))
POOL = 1009
LONGEST = 8
"""Steps of a whole solution."""
STEP_TOKENS = 12


class ReadyPolicy:
    """Continues every partial solution at once with one of a few ready-made steps."""

    name = "ready"
    context = 4096

    def __init__(self) -> None:
        self._steps = [_sample(number, ended=False) for number in range(POOL)]
        self._last = [_sample(number, ended=True) for number in range(POOL)]

    def prompt(self, problem: str) -> Tokens:
        return PROMPT

    def question(self, text: str, reply: str) -> Tokens:
        return PROMPT

    def tokens(self, step: Step) -> Tokens:
        return step.tokens

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        depth = (len(request.prompt) - len(PROMPT)) // STEP_TOKENS
        pool = self._last if depth + 1 >= LONGEST else self._steps
        return [pool[seed % POOL] for seed in request.seeds]

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


class ReadyValue:
    """Scores every partial solution at once."""

    name = "ready"
    context = 4096

    def prompt(self, problem: str) -> Tokens:
        return PROMPT

    def tokens(self, step: Step) -> Tokens:
        return step.tokens

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        return [(7 * prompt[-1] % POOL) / POOL for prompt in prompts]

    def stats(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


def _sample(number: int, *, ended: bool) -> Sample:
    text = f"Add {number} and {number + 1}: {2 * number + 1}."
    tokens = (*range(number, number + STEP_TOKENS - 1), number)
    step = Step(f"{text} The answer is {number}." if ended else f"{text}\n", tokens, -0.25, ended)
    return Sample((step,), STEP_TOKENS, False)


def make_tasks(trees: int, rounds: int) -> list[SearchTask]:
    settings = Mcts(branch=3, rollout_steps=2, rounds=rounds, early_stop=False)
    return [
        SearchTask(
            Problem(f"p{number}", "What is the sum?", "1"),
            "mcts",
            settings,
            seed=number,
            phase=PHASE,
            number=number,
        )
        for number in range(trees)
    ]


@dataclass(frozen=True)
class Times:
    """CPU seconds of one pass, by part, and the nodes that joined the trees."""

    nodes: int
    search: float
    encode: float
    write: float

    @property
    def total(self) -> float:
        return self.search + self.encode + self.write


async def search(tasks: Sequence[SearchTask], concurrency: int) -> list[SearchRecord]:
    engines = Engines(ReadyPolicy(), ReadyValue(), RuleCritic(), Sampling())
    return [record async for record in run_searches(tasks, engines, concurrency)]


def one_pass(trees: int, rounds: int, concurrency: int) -> Times:
    """Search, encode and write once."""
    tasks = make_tasks(trees, rounds)
    start = time.process_time()
    records = asyncio.run(search(tasks, concurrency))
    searched = time.process_time()
    lines = [encode_search(record) for record in records]
    encoded = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        writer = LineWriter(Path(folder) / f"{PHASE}.jsonl")
        for line in lines:
            writer.append(line)
        writer.close()
    written = time.process_time()
    nodes = sum(record.result.nodes - 1 for record in records)
    return Times(nodes, searched - start, encoded - searched, written - encoded)


def report(times: Times) -> None:
    print(f"{times.nodes:,} nodes: {times.nodes / times.total:,.0f} nodes a second")
    for part in ("search", "encode", "write"):
        print(f"  {part:7} {1e6 * getattr(times, part) / times.nodes:6.1f} microseconds a node")


def profiled(work: Callable[[], object]) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--passes", type=int, default=5, help="the fastest one is shown")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, instead")
    options = parser.parse_args()
    sizes = (options.trees, options.rounds, options.concurrency)
    if options.profile:
        profiled(lambda: one_pass(*sizes))
        return
    report(min((one_pass(*sizes) for _ in range(options.passes)), key=lambda times: times.total))


if __name__ == "__main__":
    main()
