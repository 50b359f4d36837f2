"""What the head of a cluster costs, and how many workers it keeps busy.

    python -m benchmarks.cluster                        # the head alone, 1 to 64 workers
    python -m benchmarks.cluster --seconds 0            # … which answer at once: where the head saturates
    python -m benchmarks.cluster --parts                # what a search takes in each part of the head
    python -m benchmarks.cluster --ray --workers 1 2 4 8 16

The engines take simulated time and none of the hardware of a model; searches have 20 events. All else is
that of a run: the phase, the pool, the store with its index, and the file of the progress. Without ``--ray``
stand-ins in the process of the head take the place of Ray and of the workers, and reply with finished
searches; their CPU time is not counted. Time is then that of a head with a core to itself, whatever else the
machine does: its CPU time, that of the index included, and the time that it waits, which is skipped. With
``--ray`` workers are real processes, which search themselves, and time is that of the clock.

Efficiency is the share of the time, from the first task to the last stored search, in which the workers would
have had to be busy. A last search that is late lowers it, whatever the head does. So ``schedule`` is the time
that a head would take that costs nothing, by the time that was taken. ``rate/s`` are searches, ``CPU µs`` is
what the head takes for one, and ``cores`` the same by the time that passes. ``MB/s`` is what the store takes,
``end µs`` the time of a search at the end of the phase, when the file is sealed and read once more, and
``MiB`` how much memory the process of the head grew by.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.console import Console
from rich.table import Table

from benchmarks.simulation.head import head_alone, parts
from benchmarks.simulation.on_ray import on_ray
from benchmarks.simulation.phase import Load, Measured

WORKERS = (1, 2, 4, 8, 16, 32, 64)

COLUMNS: dict[str, Callable[[Measured], str]] = {
    "workers": lambda found: str(found.load.workers),
    "searches": lambda found: f"{found.load.searches:,}",
    "rate/s": lambda found: f"{found.rate:,.0f}",
    "efficiency": lambda found: f"{found.efficiency:.3f}",
    "schedule": lambda found: f"{found.of_schedule:.3f}",
    "CPU µs": lambda found: f"{1e6 * found.cpu / found.load.searches:,.0f}",
    "cores": lambda found: f"{found.cpu / found.seconds:.2f}",
    "MB/s": lambda found: f"{found.written / 1e6 / found.seconds:.1f}",
    "end µs": lambda found: f"{1e6 * found.end_seconds / found.load.searches:,.0f}",
    "MiB": lambda found: f"{found.memory / 2**20:.0f}",
}


def alone(work: Callable[[Load], Measured], load: Load) -> Measured:
    """Measure in a process of its own, so that its memory is that of this load."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, load).result()


def show(title: str, found: list[Measured]) -> None:
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for row in found:
        table.add_row(*(cell(row) for cell in COLUMNS.values()))
    Console().print(table)


def show_parts(found: dict[str, float]) -> None:
    table = Table("part", "CPU µs a search", title="each part of the head by itself")
    for name, figure in found.items():
        table.add_row(name, f"{figure:,.0f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--concurrency", type=int, default=4, help="searches at the same time in each worker")
    parser.add_argument("--seconds", type=float, default=1.0, help="mean simulated time of a search")
    parser.add_argument(
        "--searches", type=int, help="searches in a row; as a rule 40 for each that runs at the same time"
    )
    parser.add_argument("--no-index", action="store_true", help="leave the index of the store for later")
    parser.add_argument("--ray", action="store_true", help="real workers on Ray")
    parser.add_argument("--parts", action="store_true", help="each part of the head by itself, instead")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    if given.parts:
        figures = parts(given.searches or 4000)
        print(json.dumps(figures)) if given.json else show_parts(figures)
        return
    found = []
    for workers in given.workers:
        searches = given.searches or (40 * workers * given.concurrency if given.seconds else 4000)
        load = Load(workers, given.concurrency, given.seconds, searches, not given.no_index)
        found.append(alone(on_ray if given.ray else head_alone, load))
    if given.json:
        print(json.dumps([row.to_row() for row in found]))
    else:
        show("workers on Ray" if given.ray else "the head alone", found)


if __name__ == "__main__":
    main()
