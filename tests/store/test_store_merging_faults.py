"""Merging on disks that fail, in processes that end: a run is in the store as a whole, or not at all."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from store.check import check
from store.errors import StoreError
from store.files.journal import read_journal
from store.files.layout import MERGING, RunLayout, run_names
from store.merging import arriving
from store.merging.merge import merge
from tests.store.shards import made, merged, searched, sharded
from tests.support.disk import FAULTS, Fault, FaultyDisk, ForgetfulDisk, Killed, needs_proc
from tests.support.stores import contents


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A store with two shards, and a run that is none."""
    root = tmp_path / "source"
    sharded(root, made(4), 2, "s")
    searched(root, "whole", made(2))
    return root


STEPS = ("rename", "replace")
"""What changes names in a file system: the process is killed at each call of one of them."""


def killed_at(step: int, paths: Sequence[Path], root: Path) -> bool:
    """Merge in a process that is killed at one of the calls that change names; whether it was killed."""
    child = os.fork()
    if child == 0:
        left = [step]

        def counted(real: Any) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **named)

            return call

        for name in STEPS:
            setattr(Path, name, counted(getattr(Path, name)))
        try:
            merge(paths, root, note=lambda line: None)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_merge_that_is_killed_leaves_nothing_half(source: Path, tmp_path: Path) -> None:
    expected = {"s", "whole"}
    step = 0
    seen: set[tuple[str, ...]] = set()
    while True:
        root = tmp_path / f"into-{step}"
        killed = killed_at(step, [source], root)
        there = run_names(root)
        seen.add(tuple(there))
        for run in there:  # what shows is whole
            assert contents(root, run)["trees/search.jsonl"]
            assert read_journal(RunLayout(root, run)).status == "done"
        merged(source, into=root)
        assert set(run_names(root)) == expected
        assert check(root) == []
        assert not (root / MERGING).exists()
        if not killed:
            break
        step += 1
    assert step >= 10
    assert seen == {(), ("s",), ("s", "whole")}


def go_on(source: Path, root: Path) -> None:
    """Merge, whatever is to be told."""
    merge([source], root, note=lambda line: None)


def problems_of(root: Path, calm: Path) -> list[str]:
    """What is wrong with a store, beside one that nobody has disturbed; its index has to be whole."""
    if run_names(root) != run_names(calm):
        return run_names(root)
    return [run for run in run_names(root) if contents(root, run) != contents(calm, run)] + check(root)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call(source: Path, tmp_path: Path, fault: Fault) -> None:
    calm = FaultyDisk()
    with calm.mounted():
        go_on(source, tmp_path / "calm")
    assert calm.count > 50
    for place in random.Random(fault).sample(range(calm.count), 6):
        root = tmp_path / f"{place}"
        disk = FaultyDisk(place, fault)
        try:
            with disk.mounted():
                go_on(source, root)
        except (StoreError, Killed) as error:
            assert "\n" not in str(error)
        assert set(run_names(root)) <= {"s", "whole"}
        go_on(source, root)
        assert problems_of(root, tmp_path / "calm") == [], f"{fault} at call {place}"


@needs_proc
def test_a_power_failure_at_any_moment(source: Path, tmp_path: Path) -> None:
    watched = ForgetfulDisk(tmp_path / "calm")
    watched.root.mkdir()
    with watched.mounted():
        go_on(source, watched.root)
    assert watched.count > 20
    disk = ForgetfulDisk(tmp_path / "disk")
    disk.root.mkdir()
    places = random.Random(5).sample(range(watched.count), 8)
    for place in places:
        luck = random.Random(place) if place % 2 else None
        disk.moments[place] = [(tmp_path / f"left-{place}", luck)]
    with disk.mounted():
        go_on(source, disk.root)
    for place in places:
        root = tmp_path / f"left-{place}"
        there = run_names(root)
        assert all(read_journal(RunLayout(root, run)).status == "done" for run in there)
        go_on(source, root)
        assert problems_of(root, watched.root) == [], f"before fsync {place}"


def test_two_merges_into_one_store_do_not_mix(source: Path, tmp_path: Path) -> None:
    with (
        arriving.arrivals(tmp_path / "b"),
        pytest.raises(StoreError, match="another process merges runs into this store; wait for it"),
    ):
        merged(source, into=tmp_path / "b")


def test_the_check_tells_of_a_merge_that_was_killed(tmp_path: Path) -> None:
    searched(tmp_path, "x", made(1))
    (tmp_path / MERGING).mkdir()
    (finding,) = check(tmp_path)
    assert f"{tmp_path / MERGING}: left by a merge that was ended" in finding
    with arriving.arrivals(tmp_path) as folder:  # one that goes on is no finding
        folder.mkdir()
        assert check(tmp_path) == []
