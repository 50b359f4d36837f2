"""Runs that are moved to the trash, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.check import check, rebuild
from store.errors import InputError, StoreError
from store.index.reader import StoreReader
from store.runs.trash import delete_run
from tests.store.build import fill, open_run, tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    for run in ("first", "second"):
        with open_run(tmp_path, run) as writer:
            fill(writer)
    return tmp_path


def test_a_run_goes_and_comes_back(filled: Path) -> None:
    before = {name: rows for name, rows in tables(filled).items() if name != "files"}
    with StoreReader(filled) as reader:
        version = reader.version()
        target = delete_run(filled, "first")
        assert [run.name for run in reader.runs()] == ["second"]
        assert reader.version() != version
        assert {row[0] for rows in tables(filled).values() for row in rows} == {"second"}
        assert target.parent.name == ".trash" and (target / "phases.jsonl").exists()
        assert check(filled) == []
        target.rename(filled / "runs/first")
        rebuild(filled)
        assert len(reader.runs()) == 2
    assert {name: rows for name, rows in tables(filled).items() if name != "files"} == before


def test_a_run_that_is_written_stays(filled: Path) -> None:
    with open_run(filled), pytest.raises(StoreError, match="is being written by process"):
        delete_run(filled, "first")
    assert (filled / "runs/first/phases.jsonl").exists()


@pytest.mark.parametrize("name", ["third", "../second", "..", ""])
def test_what_is_no_run(filled: Path, name: str) -> None:
    with pytest.raises(InputError):
        delete_run(filled, name)
    assert len(list((filled / "runs").iterdir())) == 2


def test_a_trash_that_is_a_link_is_not_followed(
    filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (filled / ".trash").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(StoreError, match="symbolic link"):
        delete_run(filled, "first")
    assert (filled / "runs/first/phases.jsonl").exists()
