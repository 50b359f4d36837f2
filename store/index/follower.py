"""Makes the tables of a database say what the JSON Lines files say.

The tables follow the files by byte offsets (:meth:`Follower.sync`). Following a live run, catching up
after a crash and building an index anew are the same code, so they give the same tables.
"""

from __future__ import annotations

import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.fields import dump
from store.errors import StoreError
from store.files.journal import Journal, take_in
from store.files.jsonl import parse_lines, read_at
from store.files.layout import RunLayout
from store.files.plain import is_plain, read_plain
from store.index.schema import TABLES
from store.index.tables import Batch, Source, purge, read_override, source, sources, take_again, take_line
from store.runs.overrides import Override, Overrides

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BATCH = 20_000
"""Rows in one transaction, about: readers and other writers wait for one at most."""


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


class Follower:
    """Keeps the tables behind ``connection`` up to date with the files of the store at ``root``.

    Every method may raise :class:`sqlite3.Error`.

    Args:
        connection: to a database with the tables, without transactions of its own
            (``isolation_level=None``).
    """

    def __init__(self, connection: sqlite3.Connection, root: Path) -> None:
        self.connection = connection
        self._root = root
        self._overrides = Overrides()

    def sync(self, run: str) -> list[str]:
        """Take in what the files of ``run`` have that the tables have not.

        Returns:
            One line for each line of a file that makes no sense; the tables go on without it.
        """
        findings: list[str] = []
        layout = RunLayout(self._root, run)
        found = list(sources(layout))
        findings += self._sync_overrides(layout)
        for each in found:
            if each.kind == "phases":
                findings += self._sync_journal(each, layout)
            elif each.kind != "overrides":
                findings += self._sync_file(each)
        self._drop_vanished(layout, {each.relative for each in found})
        return findings

    def optimize(self) -> None:
        """Let SQLite see how the rows are spread, so that it chooses the right indexes for queries."""
        self.connection.execute("PRAGMA analysis_limit = 1000")
        self.connection.execute("ANALYZE")

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: self._all(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES}

    def relocate(self, moved: Source, before: int, offsets: Iterable[tuple[int, int]]) -> None:
        """The lines of a trees file were put in another order: (offset, tree number) says where.

        Does nothing unless the file that had inode ``before`` was indexed to its end; then the next
        sync reads the new file from its start.
        """
        with self._transaction():
            state, stat = self._state(moved), moved.path.stat()
            if state is None or state.inode != before or state.bytes != stat.st_size:
                return
            sql = "UPDATE trees SET offset = ? WHERE run = ? AND phase = ? AND number = ?"
            rows = [(offset, moved.run, moved.phase, number) for offset, number in offsets]
            self.connection.executemany(sql, rows)
            self._mark(moved, _State(state.bytes, state.lines, stat.st_ino, stat.st_mtime_ns))

    def version(self) -> int:
        """The number by which readers see that something has changed."""
        ((version,),) = self._all("PRAGMA user_version")
        return int(version)

    def set_version(self, version: int) -> None:
        """Change that number, 0 to 2**31 - 1."""
        self.connection.execute(f"PRAGMA user_version = {version}")

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
            purge(self.connection, each)
            state = _State(0, 0, stat.st_ino, stat.st_mtime_ns)
        batch = Batch(self.connection, self._iterations(each.run), self._overrides)
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

    def _sync_overrides(self, layout: RunLayout) -> list[str]:
        """Take in which verdicts a person has changed, and give the trees of these problems anew."""
        each = source(layout, layout.overrides.name)
        state = self._state(each)
        if not is_plain(each.path):
            self._overrides = Overrides()
            if state is not None:
                self._forget_trees(layout.run)
            return []
        findings: list[str] = []
        log: list[Override] = []
        end = number = 0
        for line, row in parse_lines(each.path):
            end, number = line.end, line.number
            try:
                log.append(read_override(each, line, row, len(log) + 1))
            except StoreError as error:
                findings.append(str(error))
        self._overrides = Overrides(log)
        if self._is_current(each):
            return []
        stat = each.path.stat()
        if state is not None and not state.is_prefix_of(stat):
            self._forget_trees(layout.run)
        with self._transaction():
            known = 0 if state is None else state.lines
            self._give_anew(layout, {override.problem for override in log[known:]})
            self._mark(each, _State(end, number, stat.st_ino, stat.st_mtime_ns))
        return findings

    def _forget_trees(self, run: str) -> None:
        """Let the next files of trees be read from their starts."""
        with self._transaction():
            self.connection.execute("DELETE FROM files WHERE run = ? AND path GLOB 'trees/*'", (run,))

    def _give_anew(self, layout: RunLayout, problems: set[str]) -> None:
        """Write the rows of the trees of some problems again, with the verdicts that are in force now."""
        batch = Batch(self.connection, self._iterations(layout.run), self._overrides)
        sql = "SELECT phase, number, offset, length FROM trees WHERE run = ? AND problem = ?"
        for problem in problems:
            for phase, number, offset, length in self._all(sql, layout.run, problem):
                each = source(layout, f"trees/{phase}.jsonl")
                data = read_at(each.path, offset, length)
                if data is None or not take_again(batch, each, data, number, (offset, length)):
                    # Not where it was: the file is another one, and is read as a whole.
                    self.connection.execute(
                        "DELETE FROM files WHERE run = ? AND path = ?", (each.run, each.relative)
                    )
        batch.flush()

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
            purge(self.connection, each)
            self._write_run(layout, journal)
            self._mark(each, _State(end, lines, stat.st_ino, stat.st_mtime_ns))
        return findings

    def _write_run(self, layout: RunLayout, journal: Journal) -> None:
        latest = journal.latest
        place = (None, None) if latest is None else (latest.name, latest.iteration)
        config = _config(layout.config)
        recipe = config.get("recipe", "")
        named = recipe if isinstance(recipe, str) else ""
        batch = Batch(self.connection)
        batch.add("runs", (layout.run, named, journal.created, journal.status, *place))
        batch.add("settings", *((layout.run, key, value) for key, value in _flattened(config)))
        for position, phase in enumerate(journal.phases.values()):
            key = (layout.run, phase.name, position, phase.kind, phase.iteration, phase.status)
            batch.add("phases", (*key, phase.started, phase.seconds, dump(phase.summary).decode()))
        batch.flush()

    def _drop_vanished(self, layout: RunLayout, present: set[str]) -> None:
        run = layout.run
        known = self._all("SELECT path FROM files WHERE run = ?", run)
        for relative in {path for (path,) in known} - present:
            with self._transaction():
                purge(self.connection, source(layout, relative))
                self.connection.execute("DELETE FROM files WHERE run = ? AND path = ?", (run, relative))
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
        self.connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)
        self._count_change()

    def _count_change(self) -> None:
        version = self.version()
        # A new database starts from the clock, so that it is told from the one it replaces.
        self.set_version(version + 1 if version else int(time.time()) % 2**30)

    def _iterations(self, run: str) -> dict[str, int | None]:
        return dict(self._all("SELECT name, iteration FROM phases WHERE run = ?", run))

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


def _config(path: Path) -> dict[str, Any]:
    """The configuration of a run, empty where it cannot be read."""
    try:
        return tomllib.loads(read_plain(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError, StoreError):
        return {}  # a missing or damaged configuration is a finding of the check, not of the index


def _flattened(table: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The settings of a table by their keys, such as ``search.branch``, with their values as JSON."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flattened(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", orjson.dumps(value, default=str).decode()
