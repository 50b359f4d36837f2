"""An index of an older version: what readers say, and how it is brought up to date."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from store.check import check
from store.errors import StoreError
from store.files.layout import index_path
from store.index.connection import connect
from store.index.migrations import INDEX, migrate
from store.index.reader import StoreReader
from store.index.upgrade import upgrade_index
from store.queries import TreeFilter
from tests.store.build import fill, open_run, tables
from tests.tui.made_searches import mcts, votes

NAMES = [migration.name for migration in INDEX._migrations]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    for run in ("first", "second"):
        with open_run(tmp_path, run) as writer:
            fill(writer)
    return tmp_path


def without_files(found: dict[str, list[tuple[object, ...]]]) -> dict[str, object]:
    return {name: rows for name, rows in found.items() if name != "files"}


def make_index(root: Path, migrations: int) -> None:
    """An index with the first ``migrations`` migrations alone, as an older version leaves it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{index_path(root)}{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(index_path(root), isolation_level=None)) as connection:
        INDEX.apply(Database(connection), stop_before=NAMES[migrations])


@pytest.mark.parametrize("first", range(1, len(NAMES)))
def test_an_older_index_is_made_anew_for_those_who_read(filled: Path, first: int) -> None:
    expected = tables(filled)
    make_index(filled, first)
    with StoreReader(filled) as reader, pytest.raises(StoreError, match=r"older restmcts.*store rebuild"):
        reader.runs()
    notes: list[str] = []
    upgrade_index(filled, notes.append)
    assert len(notes) == 1 and "older restmcts: reading 2 runs again" in notes[0]
    assert without_files(tables(filled)) == without_files(expected)
    upgrade_index(filled, notes.append)
    assert len(notes) == 1
    assert check(filled) == []


def test_runs_that_a_writer_left_as_they_were_are_read_again(filled: Path) -> None:
    """A writer brings the tables up to date, but reads its own run alone."""
    expected = tables(filled)
    with closing(sqlite3.connect(index_path(filled), isolation_level=None)) as connection:
        connection.execute("DELETE FROM files WHERE run = 'second'")
        connection.execute("UPDATE trees SET depth = NULL WHERE run = 'second'")
    with StoreReader(filled) as reader:
        assert [tree.depth for tree in reader.trees(TreeFilter("second"))] == [None] * 3
        notes: list[str] = []
        upgrade_index(filled, notes.append)
        assert len(notes) == 1 and "knows less about 1 run" in notes[0]
        assert [tree.depth for tree in reader.trees(TreeFilter("second"))] == [2] * 3
    assert without_files(tables(filled)) == without_files(expected)


def test_the_trees_of_an_older_index_stay_in_sight(filled: Path) -> None:
    with closing(sqlite3.connect(index_path(filled), isolation_level=None)) as connection:
        rows = connection.execute("SELECT * FROM trees").fetchall()
    make_index(filled, NAMES.index("3 what screens ask for"))
    with closing(sqlite3.connect(index_path(filled), isolation_level=None)) as connection:
        width = len(connection.execute("SELECT * FROM trees").description)
        marks = ", ".join("?" * width)
        connection.executemany(f"INSERT INTO trees VALUES ({marks})", [row[:width] for row in rows])
        migrate(Database(connection))
    with closing(connect(index_path(filled))) as connection:
        assert connection.execute("SELECT count(*), count(depth) FROM trees").fetchone()[:] == (6, 0)


def test_values_that_nothing_gave_are_taken_back(tmp_path: Path) -> None:
    """A writer of this version mends the rows of searches without values that an older one has made."""
    with open_run(tmp_path, "first") as writer:
        writer.start_phase("1.search", "search", 1)
        for number in range(4):
            writer.add_tree(votes(number))
            writer.add_tree(mcts(4 + number, rounds=9))
        writer.finish_phase("1.search", {})
    sql = "SELECT number, best_right, best_wrong FROM trees ORDER BY number"
    with closing(sqlite3.connect(index_path(tmp_path), isolation_level=None)) as connection:
        expected = connection.execute(sql).fetchall()
        assert expected[0][1:] == (None, None) and any(row[1:] != (None, None) for row in expected)
        for name in ("best_right", "best_wrong"):
            connection.execute(f"UPDATE trees SET {name} = 0 WHERE number < 4")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (NAMES[-1],))
        migrate(Database(connection))
        assert connection.execute(sql).fetchall() == expected
    assert check(tmp_path) == []


def test_what_needs_no_upgrade_is_left_alone(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    notes: list[str] = []
    before = index_path(filled).stat().st_ino
    upgrade_index(filled, notes.append)
    upgrade_index(tmp_path_factory.mktemp("empty"), notes.append)
    assert (notes, index_path(filled).stat().st_ino) == ([], before)
    index_path(filled).write_bytes(b"this is no database" * 1000)
    upgrade_index(filled, notes.append)
    assert notes == []
    with StoreReader(filled) as reader, pytest.raises(StoreError, match="store rebuild"):
        reader.runs()
