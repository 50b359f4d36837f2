"""The SQLite index: what the JSON Lines files say, as tables.

The index follows the files by byte offsets (:meth:`Index.sync`). Following a live run, catching up
after a crash and building it anew are the same code, so they give the same tables.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database

from store.encoding.fields import dump
from store.errors import StoreError
from store.files.atomic import make_folder
from store.files.journal import Journal, take_in
from store.files.jsonl import parse_lines
from store.files.layout import RunLayout, check_index, index_path, run_names
from store.files.lock import one_at_a_time
from store.files.plain import read_plain
from store.index.migrations import migrate
from store.index.tables import Batch, Source, purge, source, sources, take_line

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BATCH = 20_000
"""Rows in one transaction, about: readers and other writers wait for one at most."""

TABLES = (
    "runs",
    "phases",
    "problems",
    "trees",
    "nodes",
    "labels",
    "samples",
    "checkpoints",
    "metrics",
    "evaluations",
    "files",
)


@dataclass(frozen=True, slots=True)
class _State:
    """How far a file is indexed, and which file it was."""

    bytes: int
    lines: int
    inode: int
    modified: int

    def is_prefix_of(self, stat: os.stat_result) -> bool:
        """Is what was indexed still the beginning of the file?

        Lines are only ever appended; a file that changed in another way got a new inode, became
        shorter, or was touched without growing.
        """
        same = stat.st_size == self.bytes and stat.st_mtime_ns == self.modified
        return stat.st_ino == self.inode and (stat.st_size > self.bytes or same)


class Index:
    """The index of the store at ``root``, open for writing; any thread may call it.

    Raises:
        StoreError: SQLite cannot open, read or write it.
    """

    def __init__(self, root: Path) -> None:
        self.path = index_path(root)
        self._root = root
        self._lock = threading.RLock()
        make_folder(root)
        check_index(root)
        with self._explained(), one_at_a_time(root):
            self._connection = _connect(self.path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def sync(self, run: str) -> list[str]:
        """Take in what the files of ``run`` have that the index has not.

        Returns:
            One line for each line of a file that makes no sense; the index goes on without it.
        """
        findings: list[str] = []
        layout = RunLayout(self._root, run)
        with self._lock, self._explained():
            found = list(sources(layout))
            for each in found:
                if each.kind == "phases":
                    findings += self._sync_journal(each, layout)
                else:
                    findings += self._sync_file(each)
            self._drop_vanished(layout, {each.relative for each in found})
        return findings

    def rebuild(self) -> list[str]:
        """Empty the index and read every file of every run; returns what :meth:`sync` returns."""
        with self._lock, self._explained():
            with self._transaction():
                for (name,) in self._all("SELECT name FROM sqlite_master WHERE type = 'table'"):
                    self._connection.execute(f"DROP TABLE [{name}]")
            with one_at_a_time(self._root):
                migrate(Database(self._connection))
        return [finding for run in run_names(self._root) for finding in self.sync(run)]

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with self._lock, self._explained():
            return {name: self._all(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES}

    def relocate(self, moved: Source, before: int, offsets: Iterable[tuple[int, int]]) -> None:
        """The lines of a trees file were put in another order: (offset, tree number) says where.

        Does nothing unless the file that had inode ``before`` was indexed to its end; then the next
        sync reads the new file from its start.
        """
        with self._lock, self._explained(), self._transaction():
            state, stat = self._state(moved), moved.path.stat()
            if state is None or state.inode != before or state.bytes != stat.st_size:
                return
            sql = "UPDATE trees SET offset = ? WHERE run = ? AND phase = ? AND number = ?"
            rows = [(offset, moved.run, moved.phase, number) for offset, number in offsets]
            self._connection.executemany(sql, rows)
            self._mark(moved, _State(state.bytes, state.lines, stat.st_ino, stat.st_mtime_ns))

    def _sync_file(self, each: Source) -> list[str]:
        if self._is_current(each):
            return []
        findings: list[str] = []
        done = False
        while not done:
            with self._transaction():
                done = self._take_part(each, findings)
        return findings

    def _take_part(self, each: Source, findings: list[str]) -> bool:
        """Index about :data:`BATCH` rows of a file that has changed; say whether that was the rest."""
        stat, state = each.path.stat(), self._state(each)
        if state is None or not state.is_prefix_of(stat):
            purge(self._connection, each)
            state = _State(0, 0, stat.st_ino, stat.st_mtime_ns)
        batch = Batch(self._connection, self._iterations(each.run))
        end, lines, done = state.bytes, state.lines, True
        for line, row in parse_lines(each.path, end, lines):
            try:
                take_line(batch, each, line, row)
            except StoreError as error:
                findings.append(str(error))
            end, lines = line.end, line.number
            if batch.size >= BATCH:
                done = False
                break
        batch.flush()
        self._mark(each, _State(end, lines, stat.st_ino, stat.st_mtime_ns))
        return done

    def _sync_journal(self, each: Source, layout: RunLayout) -> list[str]:
        """The journal is short and its last lines count, so it is read as a whole."""
        if self._is_current(each):
            return []
        findings: list[str] = []
        journal = Journal()
        with self._transaction():
            stat = each.path.stat()
            end = lines = 0
            for line, row in parse_lines(each.path):
                try:
                    take_in(journal, row, f"{each.path}:{line.number}")
                except StoreError as error:
                    findings.append(str(error))
                end, lines = line.end, line.number
            purge(self._connection, each)
            self._write_run(layout, journal)
            self._mark(each, _State(end, lines, stat.st_ino, stat.st_mtime_ns))
        return findings

    def _write_run(self, layout: RunLayout, journal: Journal) -> None:
        latest = journal.latest
        place = (None, None) if latest is None else (latest.name, latest.iteration)
        run = (layout.run, _recipe(layout.config), journal.created, journal.status, *place)
        batch = Batch(self._connection)
        batch.add("runs", run)
        for position, phase in enumerate(journal.phases.values()):
            key = (layout.run, phase.name, position, phase.kind, phase.iteration, phase.status)
            batch.add("phases", (*key, phase.started, phase.seconds, dump(phase.summary).decode()))
        batch.flush()

    def _drop_vanished(self, layout: RunLayout, present: set[str]) -> None:
        run = layout.run
        known = self._all("SELECT path FROM files WHERE run = ?", run)
        for relative in {path for (path,) in known} - present:
            with self._transaction():
                purge(self._connection, source(layout, relative))
                self._connection.execute("DELETE FROM files WHERE run = ? AND path = ?", (run, relative))
                self._count_change()

    def _is_current(self, each: Source) -> bool:
        state, stat = self._state(each), each.path.stat()
        return state is not None and (state.bytes, state.inode, state.modified) == (
            stat.st_size,
            stat.st_ino,
            stat.st_mtime_ns,
        )

    def _state(self, each: Source) -> _State | None:
        sql = "SELECT bytes, lines, inode, modified FROM files WHERE run = ? AND path = ?"
        rows = self._all(sql, each.run, each.relative)
        return _State(*rows[0]) if rows else None

    def _mark(self, each: Source, state: _State) -> None:
        values = (each.run, each.relative, state.bytes, state.lines, state.inode, state.modified)
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)
        self._count_change()

    def _count_change(self) -> None:
        """Readers see by the user version of the database that something has changed."""
        ((version,),) = self._all("PRAGMA user_version")
        # A new database starts from the clock, so that it is told from the one it replaces.
        after = version + 1 if version else int(time.time()) % 2**30
        self._connection.execute(f"PRAGMA user_version = {after}")

    def _iterations(self, run: str) -> dict[str, int | None]:
        return dict(self._all("SELECT name, iteration FROM phases WHERE run = ?", run))

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot write {self.path}: {error}; see that the disk has space and the folder can be "
                "written; `restmcts store rebuild` makes the index anew from the files"
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
        migrate(Database(connection))
    except BaseException:
        connection.close()
        raise
    return connection


def _recipe(config: Path) -> str:
    """The top-level key ``recipe`` of the configuration, empty where there is none."""
    try:
        recipe = tomllib.loads(read_plain(config).decode("utf-8")).get("recipe", "")
    except (OSError, ValueError, RecursionError, StoreError):
        return ""  # a missing or damaged configuration is a finding of the check, not of the index
    return recipe if isinstance(recipe, str) else ""
