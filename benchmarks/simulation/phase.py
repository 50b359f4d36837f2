"""A search phase of a real run, measured: what its head costs beside the searches."""

from __future__ import annotations

import heapq
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.simulation.engine import SEARCH, search_seconds
from restmcts.cli.watched import watched
from restmcts.grading.registry import GRADERS
from restmcts.loops.run import Run
from restmcts.loops.work.searching import run_tasks
from restmcts.problems.problem import Problem
from restmcts.problems.splits import Splits
from restmcts.progress import Figures, Progress
from restmcts.recipe import Recipe
from restmcts.search.running.task import SearchTask
from restmcts.workers.base import Workers
from store.records import WorkerFigures
from store.runs.writer import RunWriter

PHASE: Final = "1.search"


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the head.

    Attributes:
        workers: the number of workers.
        concurrency: searches at the same time in each.
        seconds: the mean simulated time of a search; 0: the workers answer at once.
        searches: how many there are.
        indexed: the index of the store follows the phase, as in every run.
    """

    workers: int
    concurrency: int
    seconds: float
    searches: int
    indexed: bool = True

    @property
    def slots(self) -> int:
        """How many searches run at the same time."""
        return self.workers * self.concurrency

    @property
    def ideal(self) -> float:
        """The seconds that the searches take where all workers are busy until the last one ends."""
        return sum(self._times()) / self.slots

    @property
    def scheduled(self) -> float:
        """The seconds that they take, in their order, with a head that takes no time at all."""
        ends = [0.0] * self.slots
        for seconds in self._times():
            heapq.heapreplace(ends, ends[0] + seconds)
        return max(ends)

    def _times(self) -> Iterator[float]:
        return (search_seconds(number, self.seconds) for number in range(self.searches))


@dataclass(frozen=True, slots=True)
class Measured:
    """What a phase took.

    Attributes:
        load: what was asked.
        seconds: from the first task to the last search that is stored.
        cpu: the CPU seconds of the head in that time.
        end_seconds: from then to the end of the phase: the file is sealed and read once more.
        end_cpu: the CPU seconds of that.
        memory: how much more memory the process of the head had at its largest, in bytes.
        written: the bytes of all lines.
    """

    load: Load
    seconds: float
    cpu: float
    end_seconds: float
    end_cpu: float
    memory: int
    written: int

    @property
    def rate(self) -> float:
        """Searches a second."""
        return self.load.searches / self.seconds

    @property
    def efficiency(self) -> float:
        """The share of the time in which workers would have had to be busy."""
        return self.load.ideal / self.seconds

    @property
    def of_schedule(self) -> float:
        """The same where searches that are late do not count against the head."""
        return self.load.scheduled / self.seconds

    def to_row(self) -> dict[str, float]:
        """The figures as JSON values, times of the head in microseconds a search."""
        load, each = self.load, 1e6 / self.load.searches
        return {
            "workers": load.workers,
            "concurrency": load.concurrency,
            "search_seconds": load.seconds,
            "searches": load.searches,
            "indexed": load.indexed,
            "rate": self.rate,
            "efficiency": self.efficiency,
            "of_schedule": self.of_schedule,
            "cpu_us": self.cpu * each,
            "cores": self.cpu / self.seconds,
            "end_us": self.end_seconds * each,
            "end_cpu_us": self.end_cpu * each,
            "memory_mib": self.memory / 2**20,
            "written_mb_per_second": self.written / 1e6 / self.seconds,
        }


def make_tasks(searches: int) -> list[SearchTask]:
    """Searches of problems whose texts are their numbers."""
    return [
        SearchTask(Problem(f"p{number}", str(number), "1"), "mcts", SEARCH, number, None, PHASE, number)
        for number in range(searches)
    ]


class Clock:
    """Progress that nobody looks at; it keeps the times at which the phase began and was told of last."""

    def __init__(self, seconds: Callable[[], float], spared: Callable[[], float]) -> None:
        self._seconds = seconds
        self._spared = spared
        self.began = self.last = (0.0, 0.0)

    def now(self) -> tuple[float, float]:
        """Seconds of the clock, and CPU seconds of this process without those that are not the head's."""
        return self._seconds(), time.process_time() - self._spared()

    def start(self, phase: str, kind: str, total: int | None) -> None:
        self.began = self.now()

    def update(self, done: int, figures: Figures) -> None:
        self.last = self.now()

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        pass

    def finish(self, phase: str, summary: Mapping[str, Any]) -> None:
        pass

    def note(self, text: str) -> None:
        raise RuntimeError(f"a search phase in which nothing happens says: {text}")


@contextmanager
def open_run(root: Path, shown: Progress) -> Iterator[Run]:
    """A run in a new store, with its search phase begun."""
    recipe = Recipe.model_validate({"recipe": "simulation", "problems": {"data_set": "tiny"}})
    with (
        RunWriter.create_or_open(root, "run", config='recipe = "simulation"\n', environment={}) as writer,
        watched(shown, writer.layout) as progress,
        GRADERS["exact"].open() as grader,
    ):
        writer.start_phase(PHASE, "search", 1)
        yield Run(recipe, writer, Splits([], [], [], []), grader, progress)


def measure(
    root: Path,
    load: Load,
    workers: Workers,
    seconds: Callable[[], float] = time.perf_counter,
    spared: Callable[[], float] = float,
) -> Measured:
    """Run a phase by ``workers`` in a new store.

    Args:
        seconds: the time.
        spared: the CPU seconds of this process so far that are not the head's.
    """
    clock = Clock(seconds, spared)
    with open_run(root, clock) as run:
        if not load.indexed:
            run.writer.sync_index = list  # type: ignore[method-assign]
        before = _most_memory()
        outcome = run_tasks(run, PHASE, make_tasks(load.searches), workers)
        end = clock.now()
        memory = _most_memory() - before
        written = run.writer.layout.trees(PHASE).stat().st_size
    _check(outcome.trees == load.searches and not outcome.failed)
    return Measured(
        load,
        clock.last[0] - clock.began[0],
        clock.last[1] - clock.began[1],
        end[0] - clock.last[0],
        end[1] - clock.last[1],
        memory,
        written,
    )


def _check(right: bool) -> None:
    if not right:
        raise RuntimeError("searches were lost, doubled or failed")


def _most_memory() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def per_search(work: Callable[[Any], object], given: Sequence[Any]) -> float:
    """CPU microseconds of ``work`` for each of what it is given."""
    began = time.process_time()
    for each in given:
        work(each)
    return 1e6 * (time.process_time() - began) / len(given)
