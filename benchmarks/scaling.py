"""Whether the cost of searches stays in proportion: time a token for many trees, memory a node.

Run from the repository as ``python -m benchmarks.scaling``. Searches with MCTS* run over engines that answer
at once with ready-made steps and values.

- **Time**: as many trees at 64 and at 1,024 at once (in batches of 64, and all together); CPU time of the
  process by generated token, the best of some passes each. Aim: within 15 % of each other.
- **Memory**: what the driver, the trees and the events hold while all searches are alive, each with about
  100 nodes, prompts of 200 tokens and steps of 30: what was allocated since the start, by node. The text
  counts as the engines', not the driver's: the token ids and the characters of the steps and of the prompts,
  made before. The objects that hold them count. Aim: less than 2 KiB a node.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.search_overhead import STEP_TOKENS, ReadyPolicy, ReadyValue, make_tasks, search
from restmcts.engines.base import Sample, Sampling, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.session import Session
from restmcts.search.running.task import Engines, SearchTask
from store.events import SearchRecord, Step

SPREAD = 0.15
"""Aim: how much the time of a token may differ."""
NODE_BYTES = 2048
"""Aim: what a node may take beside its text."""
PROMPT_TOKENS = 200
LONG_STEP = 30
POOL = 1009


class HeldPolicy(ReadyPolicy):
    """Answers with steps of ``LONG_STEP`` tokens, until ``held`` requests are left unanswered.

    Every search is answered as often as it takes for its tree to have about ``nodes`` nodes. Steps and
    samples are new objects each time, as those of an engine are; tokens and text are made before.
    """

    def __init__(self, trees: int, nodes: int) -> None:
        super().__init__()
        self._texts = [
            f"Step {number}: " + "we add the next two of them " * 4 + "\n" for number in range(POOL)
        ]
        self._tokens = [tuple(range(number, number + LONG_STEP)) for number in range(POOL)]
        self._prompts = [(number, *range(1, PROMPT_TOKENS)) for number in range(trees)]
        self._nodes = nodes
        self._left = trees
        self._grown = [0] * trees
        self.all_held = asyncio.Event()

    def prompt(self, problem: str) -> Tokens:
        return self._prompts[int(problem)]

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        tree, seeds = request.prompt[0], request.seeds
        if self._grown[tree] >= self._nodes:
            self._left -= 1
            if not self._left:
                self.all_held.set()
            await asyncio.Event().wait()
        # Single samples are those of rollouts, which do not join the tree.
        self._grown[tree] += len(seeds) if len(seeds) > 1 else 0
        return [self._sample(seed) for seed in seeds]

    def _sample(self, seed: int) -> Sample:
        number = seed * 7919 % POOL
        step = Step(self._texts[number], self._tokens[number], -0.25 * (seed % 97))
        return Sample((step,), LONG_STEP, False)


class HeldValue(ReadyValue):
    """Scores with new numbers, as a model does; its prompts are those of the policy."""

    def __init__(self, policy: HeldPolicy) -> None:
        self.prompt = policy.prompt  # type: ignore[method-assign]

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        return [hash(prompt) % 100_003 / 100_003 for prompt in prompts]


def held_tasks(trees: int) -> list[SearchTask]:
    """Searches without an end, one a prompt."""
    settings = Mcts(branch=3, rounds=10_000, early_stop=False)
    return [
        replace(task, problem=replace(task.problem, text=str(number)), settings=settings)
        for number, task in enumerate(make_tasks(trees, 1))
    ]


async def memory(trees: int, nodes: int) -> tuple[int, int, list[str]]:
    """Bytes and nodes when all searches are as large as wanted, and the lines that hold most."""
    policy = HeldPolicy(trees, nodes)
    tasks = held_tasks(trees)
    engines = Engines(policy, HeldValue(policy), RuleCritic(), Sampling())

    async def run() -> list[SearchRecord]:
        return [record async for record in run_searches(tasks, engines, trees)]

    gc.collect()
    tracemalloc.start()
    running = asyncio.create_task(run())
    await policy.all_held.wait()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    lines = [str(each) for each in tracemalloc.take_snapshot().statistics("lineno")[:12]]
    tracemalloc.stop()
    sessions = [each for each in gc.get_objects() if type(each) is Session]
    grown = sum(len(session.recorder.tree.nodes) - 1 for session in sessions)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return held, grown, lines


def token_time(trees: int, at_once: int, rounds: int) -> float:
    """CPU seconds of a generated token, for ``trees`` trees in batches of ``at_once``."""
    batches = [make_tasks(at_once, rounds) for _ in range(trees // at_once)]
    gc.collect()
    tokens = 0
    begun = time.process_time()
    for tasks in batches:
        records = asyncio.run(search(tasks, at_once))
        tokens += sum(record.result.cost.policy for record in records)
    return (time.process_time() - begun) / tokens


def show_time(trees: int, at_once: int, rounds: int, passes: int) -> None:
    sizes = (at_once, trees)
    # In turns, so that both see the same machine.
    times = [[token_time(trees, size, rounds) for size in sizes] for _ in range(passes)]
    few, many = (min(column) for column in zip(*times, strict=True))
    change = many / few - 1
    met = "met" if abs(change) <= SPREAD else "MISSED"
    print(f"{at_once} trees at once: {1e6 * few:.2f} microseconds a token")
    print(f"{trees:,} trees at once: {1e6 * many:.2f} microseconds a token")
    print(f"  {change:+.0%}; aim: within {SPREAD:.0%}: {met} (steps of {STEP_TOKENS} tokens)")


def show_memory(trees: int, nodes: int, verbose: bool) -> None:
    held, grown, lines = asyncio.run(memory(trees, nodes))
    node = held / grown
    met = "met" if node < NODE_BYTES else "MISSED"
    print(f"memory: {held / 2**20:.1f} MiB for {grown:,} nodes in {trees} trees: {node:,.0f} bytes a node")
    print(f"  aim: less than {NODE_BYTES:,} bytes: {met}")
    if verbose or met == "MISSED":
        print("\n".join(f"  {line}" for line in lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trees", type=int, default=1024)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--held", type=int, default=64, help="trees whose memory is measured")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--verbose", action="store_true", help="show what holds the memory")
    given = parser.parse_args()
    show_time(given.trees, given.at_once, given.rounds, given.passes)
    show_memory(given.held, given.nodes, given.verbose)


if __name__ == "__main__":
    main()
