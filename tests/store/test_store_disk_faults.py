"""A disk that fails at any call, and a process that ends at any call: the run goes on and ends the same."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import pytest

from store.check import check
from store.errors import StoreError
from store.files.jsonl import LineWriter, read_rows
from tests.store.build import PHASE, open_run, record
from tests.support.disk import FAULTS, Fault, FaultyDisk, ForgetfulDisk, Killed, needs_proc
from tests.support.small_runs import RUN, go_on
from tests.support.stores import contents, problems_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run stores that nobody disturbs."""
    root = tmp_path_factory.mktemp("calm")
    go_on(root)
    assert check(root) == []
    return contents(root, RUN)


def calls(root: Path, *, exchange: bool = True) -> int:
    """How many calls of a whole run change the disk."""
    disk = FaultyDisk()
    with disk.mounted(exchange=exchange):
        go_on(root)
    return disk.count


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call(tmp_path: Path, calm: dict[str, str], fault: Fault, exchange: bool) -> None:
    count = calls(tmp_path / "counted", exchange=exchange)
    assert count > 150
    chance = random.Random(f"{fault} {exchange}")
    for place in chance.sample(range(count), 12):
        root = tmp_path / f"{place}"
        disk = FaultyDisk(place, fault)
        try:
            with disk.mounted(exchange=exchange):
                go_on(root)
        except (StoreError, Killed) as error:
            assert "\n" not in str(error)
        go_on(root)
        assert problems_of(root, calm, RUN) == [], f"{fault} at call {place}"


@needs_proc
def test_a_power_failure_at_any_moment(tmp_path: Path, calm: dict[str, str]) -> None:
    watched = ForgetfulDisk(tmp_path / "counted")
    watched.root.mkdir()
    with watched.mounted():
        go_on(watched.root)
    assert watched.count > 50
    chance = random.Random(5)
    places = [(chance.randrange(watched.count), random.Random(number)) for number in range(30)]
    disk = ForgetfulDisk(tmp_path / "run")
    disk.root.mkdir()
    left = []
    for number, (place, luck) in enumerate(places):
        left.append(tmp_path / f"left-{number}")
        disk.moments.setdefault(place, []).append((left[-1], luck if number % 2 else None))
    with disk.mounted():
        go_on(disk.root)
    for root, (place, _) in zip(left, places, strict=True):
        go_on(root)
        assert problems_of(root, calm, RUN) == [], f"before fsync {place}, {root.name}"


def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let every call ``name`` of the system fail."""

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, name, broken)


def test_a_line_whose_fsync_failed_is_not_there_and_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.files.jsonl.SYNC_SECONDS", -1.0)
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        with monkeypatch.context() as patch:
            failing(patch, "fsync")
            with pytest.raises(StoreError, match="Input/output error"):
                writer.add_tree(record(1))
            with pytest.raises(StoreError, match="Input/output error"):
                writer.finish_phase(PHASE, {})
        assert writer.finished_trees(PHASE) == {f"{PHASE}/0"}
        writer.add_tree(record(1))
        writer.finish_phase(PHASE, {})
        assert [search.header.id for search in writer.read_trees(PHASE)] == [f"{PHASE}/0", f"{PHASE}/1"]
    assert check(tmp_path) == []


def test_after_a_failed_fsync_lines_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jsonl"
    writer = LineWriter(path)
    writer.append(b"1", durable=True)
    writer.append(b"22")
    writer.append(b"333")
    with monkeypatch.context() as patch:
        failing(patch, "fsync")
        with pytest.raises(StoreError):
            writer.sync()
    # The system has dropped what it could not write, and calls it written.
    path.write_bytes(b"1\n\0\0\0\0\0\0\0")
    writer.append(b"4")
    writer.sync()
    writer.close()
    assert path.read_bytes() == b"1\n22\n333\n4\n"


def test_an_end_that_could_not_be_written_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        with monkeypatch.context() as patch:
            failing(patch, "fsync")
            for _ in range(2):
                with pytest.raises(StoreError):
                    writer.finish_phase(PHASE, {})
        writer.finish_phase(PHASE, {})
        events = [row["event"] for _, row in read_rows(writer.layout.phases)]
    assert events == ["created", "started", "done"]
    assert check(tmp_path) == []
