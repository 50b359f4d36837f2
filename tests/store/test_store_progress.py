"""How far a phase is, as others see it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.files.layout import RunLayout
from store.records import WorkerFigures
from store.runs.progress import MOST_WORKERS, ProgressFile, read_progress

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("store.runs.progress.time.monotonic", clock.monotonic)
    return clock


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path, "first")
    layout.folder.mkdir(parents=True)
    return layout


def test_what_is_written(layout: RunLayout, clock: Clock) -> None:
    assert read_progress(layout) is None
    file = ProgressFile(layout)
    file.start("1.search", "search", 40)
    found = read_progress(layout)
    assert found is not None
    assert (found.phase, found.kind, found.done, found.total) == ("1.search", "search", 0, 40)
    assert (found.rate, found.left, found.pid) == (None, None, os.getpid())
    clock.now += 4.0
    file.update(1, {"accuracy": 0.5, "loss": float("nan"), "engine": "idle", "hits": None})
    clock.now += 0.5
    file.update(7, {})
    found = read_progress(layout)
    assert found is not None
    assert (found.done, found.rate, found.left) == (1, 0.25, 156.0)
    assert found.figures == {"accuracy": 0.5, "engine": "idle", "hits": None}
    clock.now += 0.5
    file.update(10, {})
    found = read_progress(layout)
    assert found is not None and (found.done, found.rate, found.left) == (10, 2.0, 15.0)
    file.remove()
    assert read_progress(layout) is None
    file.remove()


def test_workers_are_told_with_the_next_update(layout: RunLayout, clock: Clock) -> None:
    file = ProgressFile(layout)
    file.start("1.search", "search", 40)
    assert b"workers" not in layout.progress.read_bytes()
    told = [WorkerFigures(f"n/worker-{number}", "n", "working", number, 1, 7, 0.5) for number in range(100)]
    file.workers(told)
    clock.now += 1.0
    file.update(1, {})
    found = read_progress(layout)
    assert found is not None and found.workers == tuple(told[:MOST_WORKERS])
    file.start("1.evaluate", "evaluate", 40)
    found = read_progress(layout)
    assert found is not None and found.workers == ()


def test_what_was_done_before_takes_no_time_now(layout: RunLayout, clock: Clock) -> None:
    file = ProgressFile(layout)
    file.start("1.search", "search", None)
    clock.now += 2.0
    file.update(31, {})
    found = read_progress(layout)
    assert found is not None and (found.done, found.rate, found.left) == (31, 0.5, None)


def test_a_file_that_cannot_be_written_ends_nothing(layout: RunLayout, clock: Clock) -> None:
    layout.progress.with_name(".progress.json.new").mkdir()
    file = ProgressFile(layout)
    file.start("1.search", "search", 40)
    file.update(1, {})
    file.remove()
    assert read_progress(layout) is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"phase": 1}', b"\xff"])
def test_a_file_that_makes_no_sense_is_no_progress(layout: RunLayout, content: bytes) -> None:
    layout.progress.write_bytes(content)
    assert read_progress(layout) is None


def test_a_link_is_not_followed(layout: RunLayout, tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.write_bytes(b"{}")
    layout.progress.with_name(".progress.json.new").symlink_to(aim)
    ProgressFile(layout).start("1.search", "search", 1)
    assert aim.read_bytes() == b"{}"
    assert read_progress(layout) is None
