"""Many searches at once against a server that fails: is one lost, how much memory does it take, how long?

    python -m benchmarks.fault_server_load --searches 1000 --share 0.25

The server runs in a process of its own (`tests/engines/fault_server.py`). It answers a share of the
requests with errors, cut connections, replies that do not end, replies of 256 MiB, compressed ones, and with
numbers and types that are none. Searches are those of MCTS* with a prompted value model. Every search is
stored; the store is checked at the end. Prints what became of the searches, requests, seconds, and the peak
of the memory of the process that searches.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from restmcts.engines.base import Sampling
from restmcts.engines.openai.policy import OpenAiPolicy
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.prompted.value import PromptedValueModel
from restmcts.engines.server_settings import OpenAiSettings
from restmcts.problems.problem import Problem
from restmcts.search.methods.mcts import Mcts
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Engines, SearchTask
from store.check import check
from store.runs.writer import RunWriter
from tests.engines.fault_server import Fault, FaultServer
from tests.engines.faults import ODD, PASSING

PHASE = "search"


def faults(seed: int, share: float) -> Callable[[], Fault | None]:
    """What goes wrong with a share of the requests: any of the faults that pass, or an odd reply."""
    random = Random(seed)

    def choose() -> Fault | None:
        if random.random() >= share:
            return None
        return random.choice(PASSING) if random.random() < 0.7 else random.choice(ODD)

    return choose


@dataclass(frozen=True, slots=True)
class Load:
    """What became of the searches.

    Attributes:
        reasons: how many ended for each reason.
        stored: trees in the store.
        problems: what a check of the store finds.
        requests: what was sent, without what was tried again.
        seconds: wall time.
        peak: the largest memory of this process so far, in MiB.
    """

    reasons: Counter[str]
    stored: int
    problems: list[str]
    requests: int
    seconds: float
    peak: float


def load(
    root: Path, url: str, searches: int, *, rounds: int, timeout: float, retries: int, concurrency: int
) -> Load:
    """Run searches at once and store them."""
    settings = OpenAiSettings(base_url=url, timeout=timeout, retries=retries, concurrency=concurrency)
    policy = OpenAiPolicy("tiny", settings)
    value = PromptedValueModel(OpenAiPolicy("tiny", settings))
    engines = Engines(policy, value, RuleCritic(), Sampling(step_tokens=20, trace_tokens=60))
    method = Mcts(rounds=rounds, early_stop=False)
    tasks = [
        SearchTask(Problem(f"p{number}", f"What is x{number}?"), "mcts", method, number, None, PHASE, number)
        for number in range(searches)
    ]
    reasons: Counter[str] = Counter()
    begun = time.monotonic()
    with RunWriter.create_or_open(root, "load", config='recipe = "load"\n', environment={}) as writer:
        writer.start_phase(PHASE, "search", None)

        async def run() -> None:
            async for record in run_searches(tasks, engines, searches):
                reasons[record.result.reason] += 1
                writer.add_tree(record)

        asyncio.run(run())
        writer.finish_phase(PHASE, {})
        stored = len(writer.finished_trees(PHASE))
    seconds = time.monotonic() - begun
    requests = int(policy.stats()["requests"] + value.stats()["requests"])
    policy.close()
    value.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Load(reasons, stored, check(root), requests, seconds, peak)


@contextmanager
def server_process(seed: int, share: float) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.fault_server_load", "--serve", str(seed), str(share)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        print(process.stdout.read().strip())


def serve(seed: int, share: float) -> None:
    """Serve until the input ends."""
    with FaultServer() as server:
        # The first requests find out what the server can do.
        server.fail(*["fine"] * 8)
        server.choose = faults(seed, share)
        print(server.url, flush=True)
        sys.stdin.read()
        print(f"the server got {len(server.posts)} requests and sent {server.sent >> 20} MiB of long replies")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=5.0)
    parser.add_argument("--retries", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--serve", nargs=2, metavar=("SEED", "SHARE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(int(given.serve[0]), float(given.serve[1]))
        return
    with tempfile.TemporaryDirectory() as folder, server_process(given.seed, given.share) as url:
        found = load(
            Path(folder),
            url,
            given.searches,
            rounds=given.rounds,
            timeout=given.timeout,
            retries=given.retries,
            concurrency=given.concurrency,
        )
    lost = given.searches - found.stored
    print(f"{found.stored} searches stored, {lost} lost: {dict(found.reasons)}")
    print(f"{found.requests} requests, {found.seconds:.1f} s, at most {found.peak:.0f} MiB of memory")
    print("the store is sound" if not found.problems else "\n".join(found.problems))


if __name__ == "__main__":
    main()
