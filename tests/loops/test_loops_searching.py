"""What becomes of a search when it is stored."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from restmcts.grading.registry import GRADERS
from restmcts.loops.run import Run
from restmcts.loops.work import searching
from restmcts.loops.work import tally as tallies
from restmcts.loops.work.searching import message_of, outcome, run_tasks, search_tasks, stored, telling
from restmcts.loops.work.tally import Tally
from restmcts.problems.splits import Splits
from restmcts.progress import Figures
from restmcts.recipe import Recipe
from restmcts.search.methods.sampling import Greedy
from restmcts.workers.base import Models
from restmcts.workers.local import LocalWorkers
from store.check import check
from store.errors import StoreError
from store.events import BackedUp, Cost, Event, Expanded, Selected, Step, Valued, Verified
from store.records import WorkerFigures
from store.runs.reading import read_metrics
from store.runs.writer import RunWriter
from store.tree import fold
from tests.loops.scripted import BASE, Scripts, opened, recipe
from tests.loops.test_loops_phases import Heard
from tests.store.build import PHASE, record


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    recipe = Recipe.model_validate({"recipe": "r", "problems": {"data_set": "tiny"}})
    with (
        RunWriter.create_or_open(tmp_path, "r", config='recipe = "r"\n', environment={}) as writer,
        GRADERS["math"].open() as grader,
    ):
        writer.start_phase(PHASE, "search", 1)
        yield Run(recipe, writer, Splits([], [], [], []), grader, Heard(), {})


BROKEN: list[Event] = [
    Valued((0,), (math.nan,)),
    Expanded(0, (Step("a", (), -math.inf),), (1,)),
    Expanded(0, (Step("a"),), (2**64,)),
    Expanded(0, (Step("a"),), (1,), Cost(policy=2**63)),
    Selected(0, cost=Cost(prompt=-1)),
    BackedUp((0,), (2**63,), (0.5,)),
]


@pytest.mark.parametrize("event", BROKEN, ids=range(len(BROKEN)))
def test_a_search_that_cannot_be_stored_is_stored_as_a_failed_one(
    run: Run, tmp_path: Path, event: Event
) -> None:
    whole = record(1)
    broken = replace(record(0), events=(event, *record(0).events[-1:]))
    kept = [stored(run, broken), stored(run, whole)]
    assert [search.result.reason for search in kept] == ["failed", "rounds"]
    message = message_of(kept[0])
    assert message is not None and message.startswith(f"tree '{PHASE}/0' cannot be stored: ")
    assert list(run.writer.read_trees(PHASE)) == kept
    assert kept[0].header == broken.header
    run.writer.finish_phase(PHASE, {})
    run.writer.sync_index()
    assert check(tmp_path) == []


def test_answers_without_a_verdict_are_counted_and_told(run: Run) -> None:
    whole = record(0)
    nodes = tuple(node.id for node in fold(whole.events).finished())
    events = tuple(event for event in whole.events if not isinstance(event, Verified))
    ungraded = replace(
        whole, events=(*events, Verified((), (), nodes)), result=replace(whole.result, correct=None)
    )
    stored(run, ungraded)
    found = outcome(run, PHASE)
    assert (found.unverified, found.graded, found.solved) == (len(nodes), 0, 0) and nodes
    assert isinstance(run.progress, Heard)
    assert f"no verdict on {len(nodes)} of" in " ".join(run.progress.notes)


def test_a_store_that_cannot_be_written_is_still_an_error(run: Run) -> None:
    stored(run, record(0))
    with pytest.raises(StoreError, match="is there already"):
        stored(run, record(0))


def test_progress_is_told_while_no_search_ends(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "TELL_SECONDS", 0.01)
    told: list[tuple[int, Figures]] = []
    monkeypatch.setattr(run.progress, "update", lambda done, figures: told.append((done, figures)))
    workers = [WorkerFigures("n/worker-1", "n", "working", 3, 1)]
    rows: list[Sequence[WorkerFigures]] = []
    monkeypatch.setattr(run.progress, "workers", rows.append)
    engine: Any = SimpleNamespace(
        stats=lambda: {"policy.generated_tokens": 7.0 * len(told)}, figures=lambda: workers
    )
    tally = Tally(3, engine, by_tokens=False)

    async def wait() -> None:
        async with telling(run, tally), asyncio.timeout(30):
            while len(told) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(wait())
    assert [done for done, _ in told] == [3] * len(told)
    assert [figures["tokens"] for _, figures in told[:3]] == [0, 7, 14]
    assert told[0][1]["workers"] == "1 of 1" and rows == [workers] * len(told)


def test_workers_are_not_asked_for_figures_with_every_search(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = 5.0, 0

    def stats() -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"policy.generated_tokens": 7.0 * asked}

    monkeypatch.setattr(time, "monotonic", lambda: now)
    engine: Any = SimpleNamespace(stats=stats, figures=list)
    counted = Tally(0, engine, by_tokens=False)
    first, before = counted.latest(), asked
    assert counted.latest() == first
    assert asked == before
    now += 2 * tallies.LATEST_SECONDS
    assert counted.latest() != first


def test_what_fails_while_progress_is_told_ends_the_searches(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "TELL_SECONDS", 0.01)
    failed = threading.Event()

    def fail(done: int, figures: Figures) -> None:
        failed.set()
        raise OSError("no terminal")

    monkeypatch.setattr(run.progress, "update", fail)
    engine: Any = SimpleNamespace(stats=dict, figures=list)

    async def wait() -> None:
        async with telling(run, Tally(0, engine, by_tokens=False)), asyncio.timeout(30):
            await asyncio.to_thread(failed.wait)

    with pytest.raises(OSError, match="no terminal"):
        asyncio.run(wait())


def test_the_use_of_each_worker_is_among_the_metrics(
    tmp_path: Path, scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [WorkerFigures("n/worker-1", "n", "working", 3, 1, busy=0.5)]
    monkeypatch.setattr(LocalWorkers, "figures", lambda workers: found)
    with opened(tmp_path, recipe(iterations=1)) as run:
        tasks = search_tasks(run, "0.search", run.problems.train, "greedy", Greedy(), budget=40)
        run.writer.start_phase("0.search", "search", 0)
        with run.workers(Models(BASE)) as workers:
            run_tasks(run, "0.search", tasks, workers)
        rows = {row.name: row.value for row in read_metrics(run.writer.layout)}
    assert rows["engine.worker.n/worker-1.busy"] == 0.5 and rows["engine.worker.n/worker-1.searches"] == 3
