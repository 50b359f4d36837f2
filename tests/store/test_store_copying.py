"""Whole runs are copied from one store into another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from store.check import check
from store.errors import InputError, StoreError
from store.files.journal import read_journal
from store.files.layout import RunLayout, run_names
from tests.store.shards import damage, made, merged, searched
from tests.support import small_runs
from tests.support.stores import contents


def test_whole_runs_are_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    small_runs.go_on(source)
    searched(target, "other", made(2))
    (found,) = merged(source, into=target)
    assert (found.run, found.new, found.sources) == ("first", True, (source / "runs" / "first",))
    assert contents(target, "first") == contents(source, "first")
    assert read_journal(RunLayout(target, "first")) == read_journal(RunLayout(source, "first"))
    assert check(target) == []
    assert merged(source, into=target)[0].new is False
    (one,) = merged(source / "runs" / "first", into=target, name="renamed")
    assert one.run == "renamed"
    assert contents(target, "renamed") == contents(source, "first")


def test_a_run_of_that_name_with_another_content_stays(tmp_path: Path) -> None:
    searched(tmp_path / "a", "x", made(2))
    searched(tmp_path / "b", "x", made(3))
    before = contents(tmp_path / "b", "x")
    with pytest.raises(InputError, match=r"would both be the run 'x', and differ in .*trees/search.jsonl"):
        merged(tmp_path / "a", into=tmp_path / "b")
    with pytest.raises(InputError, match="would both be the run 'x'"):
        merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c")
    assert contents(tmp_path / "b", "x") == before
    assert run_names(tmp_path / "c") == []


@pytest.mark.parametrize("path", ["checkpoints/0/policy/model.safetensors", "metrics.jsonl", "run.toml"])
def test_a_damaged_run_is_not_copied(tmp_path: Path, path: str) -> None:
    small_runs.go_on(tmp_path / "a")
    damage(tmp_path / "a" / "runs" / "first" / path)
    with pytest.raises(StoreError, match=path.rpartition("/")[2]):
        merged(tmp_path / "a", into=tmp_path / "b")
    assert run_names(tmp_path / "b") == []


def test_there_has_to_be_something_to_merge(tmp_path: Path) -> None:
    searched(tmp_path / "a", "x", made(1))
    lonely = shutil.copytree(tmp_path / "a" / "runs" / "x", tmp_path / "x")
    (tmp_path / "empty").mkdir()
    for paths, expected in (
        ([tmp_path / "a"], "there is nothing to merge"),
        ([tmp_path / "none"], "no such folder"),
        ([tmp_path / "empty"], "neither a store nor the folder of a run"),
        ([lonely], "lies in no store; put it into a folder 'runs'"),
    ):
        with pytest.raises(InputError, match=expected):
            merged(*paths, into=tmp_path / "a")
