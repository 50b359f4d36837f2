"""The head of a cluster alone: stand-ins take the place of Ray, and reply with finished searches."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from benchmarks.search_overhead import ReadyValue
from benchmarks.simulation.clock import OwnCore
from benchmarks.simulation.engine import SimulatedPolicy, search_seconds
from benchmarks.simulation.phase import (
    PHASE,
    Clock,
    Load,
    Measured,
    make_tasks,
    measure,
    open_run,
    per_search,
)
from restmcts.engines.base import Sampling
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.grading.registry import GRADERS
from restmcts.loops.work.searching import outcome
from restmcts.loops.work.tally import Tally
from restmcts.problems.problem import Problem
from restmcts.search.running.driver import run_searches
from restmcts.search.running.task import Conditions, Engines, SearchTask
from restmcts.search.running.task_json import encode_task
from restmcts.workers.cluster.actor import encoded
from restmcts.workers.cluster.messages import read_reply, reply
from restmcts.workers.cluster.ray_workers import Actor, RayWorkers
from store.encoding.searches import decode_search
from store.events import SearchRecord

_NUMBER: Final = re.compile(rb'"number":(\d+)')


class HeadAlone(RayWorkers):
    """The workers of a cluster as the head sees them, without a cluster."""

    def too_long(self, problems: Sequence[Problem]) -> dict[str, str]:
        """No problem is too long; a worker would be asked once for many problems."""
        return {}


class StandIn:
    """Has the methods of an actor that the head calls, as Ray gives them.

    Args:
        lines: the lines of all searches, by number.
        seconds: the mean time of a search.

    Attributes:
        cpu: the CPU seconds that it took itself.
    """

    def __init__(self, number: int, lines: Sequence[bytes], seconds: float) -> None:
        self._lines = lines
        self._seconds = seconds
        self._told = {"node": "127.0.0.1", "incarnation": str(number)}
        self._spent = 0.0
        self._generated = 0
        self.cpu = 0.0
        self.open = SimpleNamespace(remote=self._open)
        self.search = SimpleNamespace(remote=self._search)

    async def _open(self, plan: bytes, blocks: Sequence[object]) -> bytes:
        return reply(self._told)

    async def _search(self, task: bytes) -> bytes:
        began = time.thread_time()
        (number,) = map(int, _NUMBER.findall(task))
        seconds = search_seconds(number, self._seconds)
        self.cpu += time.thread_time() - began
        await asyncio.sleep(seconds)
        began = time.thread_time()
        self._spent += seconds
        self._generated += 1
        stats = {"policy.generated_tokens": float(self._generated), "policy.seconds": self._spent}
        answer = reply({**self._told, "stats": stats, "remarks": []}, self._lines[number])
        self.cpu += time.thread_time() - began
        return answer


def make_lines(tasks: Sequence[SearchTask]) -> list[bytes]:
    """The lines that workers would send, in the order of the tasks; they are real searches."""
    engines = Engines(SimulatedPolicy(0.0), ReadyValue(), RuleCritic(), Sampling())

    async def search() -> dict[str, bytes]:
        with GRADERS["exact"].open() as grader:
            records = run_searches(tasks, engines, 64, grader.grade)
            return {record.header.id: encoded(_from_worker(record)) async for record in records}

    lines = asyncio.run(search())
    return [lines[task.id] for task in tasks]


def _from_worker(record: SearchRecord) -> SearchRecord:
    return replace(record, header=replace(record.header, worker="127.0.0.1/worker-1"))


def open_head(load: Load, lines: Sequence[bytes]) -> tuple[HeadAlone, list[StandIn]]:
    """The workers as the head sees them, and what stands in for them."""
    stand_ins = [StandIn(number, lines, load.seconds) for number in range(1, load.workers + 1)]
    actors = [Actor(each, number, b"", []) for number, each in enumerate(stand_ins, 1)]
    known = Conditions("simulated", "ready", Sampling())
    return HeadAlone(actors, known, GRADERS["exact"].open(), load.concurrency, 60.0, _raise), stand_ins


def head_alone(load: Load) -> Measured:
    """Measure the head with stand-ins in this process; what they take themselves does not count.

    The time is that of a head with a core to itself (:class:`benchmarks.simulation.clock.OwnCore`).
    """
    lines = make_lines(make_tasks(load.searches))
    workers, stand_ins = open_head(load, lines)

    def spared() -> float:
        return sum(each.cpu for each in stand_ins)

    core = OwnCore(spared)
    with tempfile.TemporaryDirectory() as folder, core.rules():
        return measure(Path(folder), load, workers, core.now, spared)


def parts(searches: int) -> dict[str, float]:
    """CPU microseconds of a search in each part of the head by itself, with nothing around it."""
    tasks = make_tasks(searches)
    lines = make_lines(tasks)
    workers, _ = open_head(Load(64, 4, 0.0, searches), lines)
    replies = [reply({"stats": {}, "remarks": [], "node": "127.0.0.1"}, line) for line in lines]
    records = [decode_search(line) for line in lines]
    tally = Tally(0, workers, by_tokens=False)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_run(Path(folder), Clock(time.perf_counter, float)) as run,
    ):
        run.progress.start(PHASE, "search", searches)
        return {
            "a task as JSON": per_search(encode_task, tasks),
            "a reply is read": per_search(lambda data: decode_search(read_reply(data, "?")[1]), replies),
            "the tally": per_search(tally.add, records),
            "progress": per_search(lambda _: run.progress.update(tally.progress, tally.latest()), records),
            "the store": per_search(
                lambda pair: run.writer.add_tree(*pair), [*zip(records, lines, strict=True)]
            ),
            "the index": per_search(lambda _: run.writer.sync_index(), [None]) / searches,
            "the file is sealed": per_search(lambda _: run.writer.seal_trees(PHASE), [None]) / searches,
            "the outcome is read": per_search(lambda _: outcome(run, PHASE), [None]) / searches,
        }


def _raise(text: str) -> None:
    raise RuntimeError(f"stand-ins are never lost: {text}")
