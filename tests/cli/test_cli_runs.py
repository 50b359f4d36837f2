"""`restmcts runs`: a run goes to the trash; an older index is brought up to date by whoever reads it."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from store.files.layout import index_path
from store.index.migrations import INDEX
from tests.cli.commands import refused, restmcts
from tests.store.build import fill, open_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "my store"
    for run in ("first", "second"):
        with open_run(folder, run) as writer:
            fill(writer)
    return folder


def names(root: Path) -> set[str]:
    return {row["name"] for row in restmcts("runs", "--root", root, "--json").json()}


def test_a_run_is_deleted_and_comes_back(root: Path) -> None:
    assert "there is no terminal to ask on" in refused("runs", "delete", "first", "--root", root)
    done = restmcts("runs", "delete", "first", "--yes", "--root", root).output
    assert names(root) == {"second"}
    back = shlex.split(done.splitlines()[1].removeprefix("to get it back: mv ").partition(", then")[0])
    Path(back[0]).rename(back[1])
    restmcts("store", "rebuild", "--root", root)
    assert names(root) == {"first", "second"}


def test_what_is_not_deleted(root: Path) -> None:
    assert "no run 'third'" in refused("runs", "delete", "third", "--yes", "--root", root)
    with open_run(root):
        said = refused("runs", "delete", "first", "--yes", "--root", root, code=1)
    assert "is being written by process" in said
    assert names(root) == {"first", "second"}


def test_an_older_index_is_read_again_with_a_note(root: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{index_path(root)}{ending}").unlink(missing_ok=True)
    with closing(Database(index_path(root)).conn) as connection:
        INDEX.apply(Database(connection), stop_before=INDEX._migrations[-1].name)
    done = restmcts("runs", "--root", root)
    assert "older restmcts: reading 2 runs again, once" in done.errors
    assert "first" in done.output
    assert restmcts("show", "first", "--root", root).errors == ""
