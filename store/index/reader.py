"""Reading a store through its index, while a run is being written or after."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import orjson

from store.encoding.searches import decode_search, search_id
from store.errors import InputError, StoreError
from store.files.jsonl import find_line, read_at
from store.files.layout import RUNS, RunLayout, check_index, index_path, run_names
from store.files.lock import is_locked
from store.index.schema import explained, kind_of
from store.overrides import Overrides, overlay
from store.records import (
    Checkpoint,
    Evaluation,
    Metric,
    PhaseSummary,
    RunSummary,
    TreeSummary,
)
from store.run_files import read_overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.events import SearchRecord

_ORDERS = {
    "id": "phase, number",
    "phase": "phase",
    "iteration": "iteration",
    "number": "number",
    "problem": "problem",
    "method": "method",
    "answer": "answer",
    "correct": "correct",
    "reason": "reason",
    "nodes": "nodes",
    "finished": "finished",
    "policy_tokens": "policy_tokens",
    "value_tokens": "value_tokens",
    "seconds": "seconds",
    "seed": "seed",
}

ORDERS = tuple(_ORDERS)
"""What :meth:`StoreReader.trees` can sort by."""

_TEXT_LIMIT = 1000

_TREES = """
SELECT page.*, problems.question, problems.oracle
FROM (SELECT * FROM trees WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?) AS page
LEFT JOIN problems ON problems.run = page.run AND problems.phase = page.phase
    AND problems.problem = page.problem
ORDER BY {outer}
"""

_TEXT = r"""(problem LIKE ? ESCAPE '\' OR answer LIKE ? ESCAPE '\' OR (phase, problem) IN (
    SELECT phase, problem FROM problems WHERE run = ? AND question LIKE ? ESCAPE '\'))"""

_RUNS = """
SELECT runs.*, runs.run AS name, count(trees.number) AS trees, count(trees.correct) AS graded,
    coalesce(sum(trees.correct), 0) AS solved,
    coalesce(sum(trees.policy_tokens), 0) AS policy_tokens
FROM runs LEFT JOIN trees ON trees.run = runs.run
WHERE :run IS NULL OR runs.run = :run
GROUP BY runs.run ORDER BY runs.created DESC, runs.run
"""

_PHASES = """
SELECT phases.*, count(trees.number) AS trees, count(trees.correct) AS graded,
    coalesce(sum(trees.correct), 0) AS correct
FROM phases LEFT JOIN trees ON trees.run = phases.run AND trees.phase = phases.name
WHERE phases.run = ? GROUP BY phases.name ORDER BY phases.position
"""


class Filters(TypedDict, total=False):
    """Which searches to take; None takes all.

    ``text`` is looked for in problem names, questions and answers, whatever the case; ``solved`` False
    takes wrong and unverified ones.
    """

    phase: str | None
    method: str | None
    iteration: int | None
    solved: bool | None
    text: str | None


class StoreReader:
    """The runs of the store at ``root``; changes nothing.

    Any thread may call it: one connection, one query at a time. A store without an index (no run was
    started yet) is empty.

    Raises:
        InputError: ``root`` is no folder.
        StoreError: there are runs but no index, or the index or a file cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; name a folder that holds a store")
        self._root = root
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def root(self) -> Path:
        """The folder of the store."""
        return self._root

    def close(self) -> None:
        """Let go of the index; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def version(self) -> int:
        """A number that is another one after every change of the index."""
        rows = self._rows("PRAGMA user_version")
        return int(rows[0][0]) if rows else 0

    def runs(self) -> list[RunSummary]:
        """All runs, the newest first."""
        return [self._run(row) for row in self._rows(_RUNS, {"run": None})]

    def run(self, name: str) -> RunSummary:
        """One run. Raises :class:`InputError` when there is none of that name."""
        rows = self._rows(_RUNS, {"run": name})
        if not rows:
            raise InputError(self._absent(name))
        return self._run(rows[0])

    def unindexed(self) -> list[str]:
        """The runs that have a folder in the store, but are not in the index: copied in, or behind it."""
        known = {row[0] for row in self._rows("SELECT run FROM runs")}
        return [run for run in run_names(self._root) if run not in known]

    def _absent(self, name: str) -> str:
        if name in self.unindexed():
            return (
                f"run {name!r} is in {self._root}, but not in its index: `restmcts store rebuild` takes it in"
            )
        return f"no run {name!r} in {self._root}"

    def phases(self, run: str) -> list[PhaseSummary]:
        """The phases of a run, in the order in which they first started."""
        return [_phase(row) for row in self._rows(_PHASES, (run,))]

    def trees(
        self,
        run: str,
        *,
        order_by: str = "number",
        descending: bool = False,
        limit: int = 200,
        offset: int = 0,
        **filters: Unpack[Filters],
    ) -> list[TreeSummary]:
        """A page of the searches of a run that pass the filters.

        Equals are ordered by number, then by phase.

        Raises:
            InputError: ``order_by`` is not in :data:`ORDERS`.
        """
        if order_by not in _ORDERS:
            raise InputError(f"cannot sort by {order_by!r}; use one of {', '.join(ORDERS)}")
        where, values = _where(run, filters)
        order = _order(order_by, descending)
        outer = ", ".join(f"page.{part}" for part in order.split(", "))
        sql = _TREES.format(where=where, order=order, outer=outer)
        return [_tree(row) for row in self._rows(sql, (*values, limit, offset))]

    def count_trees(self, run: str, **filters: Unpack[Filters]) -> int:
        """How many searches :meth:`trees` has with the same filters."""
        where, values = _where(run, filters)
        rows = self._rows(f"SELECT count(*) FROM trees WHERE {where}", values)
        return int(rows[0][0]) if rows else 0

    def methods(self, run: str) -> list[str]:
        """The methods that a run has searched with, sorted."""
        sql = "SELECT DISTINCT method FROM trees WHERE run = ? ORDER BY method"
        return [row[0] for row in self._rows(sql, (run,))]

    def iterations(self, run: str) -> list[int]:
        """The iterations that have searches, sorted."""
        sql = "SELECT DISTINCT iteration FROM trees WHERE run = ? AND iteration IS NOT NULL ORDER BY 1"
        return [row[0] for row in self._rows(sql, (run,))]

    def record(self, run: str, tree: str) -> SearchRecord:
        """The whole search ``tree`` (``<phase>/<number>``), with the verdicts that a person has changed.

        Raises:
            InputError: there is no such search.
            StoreError: its line cannot be read.
        """
        phase, _, number = tree.rpartition("/")
        if not phase or not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise InputError(f"{tree!r} is no tree; trees are named <phase>/<number>")
        layout = RunLayout(self._root, run)
        path = layout.plain(layout.trees(phase))
        sql = "SELECT offset, length FROM trees WHERE run = ? AND phase = ? AND number = ?"
        for row in self._rows(sql, (run, phase, int(number))):
            line = read_at(path, row["offset"], row["length"])
            record = None if line is None else _decoded(line)
            if record is not None and record.header.id == tree:
                return overlay(record, read_overrides(layout))
        found = find_line(path, lambda row: search_id(row) == tree)
        if found is None:
            raise InputError(f"no tree {tree!r} in run {run!r}")
        return overlay(decode_search(found.data, f"{path}:{found.number}"), read_overrides(layout))

    def overrides(self, run: str) -> Overrides:
        """The verdicts of a run that a person has changed. Raises :class:`StoreError` like :meth:`record`."""
        return read_overrides(RunLayout(self._root, run))

    def labels(self, run: str, tree: str) -> dict[str, tuple[float | None, ...]]:
        """The quality values of a tree's nodes, by rule: item i is for node i, None has no label.

        Where two phases labelled by the same rule, the one that comes last by name counts.
        """
        sql = """SELECT rule, phase, value FROM labels WHERE run = ? AND tree = ?
            ORDER BY rule, phase, node"""
        found: dict[tuple[str, str], list[float | None]] = {}
        for rule, phase, value in self._rows(sql, (run, tree)):
            found.setdefault((rule, phase), []).append(value)
        return {rule: tuple(values) for (rule, _), values in found.items()}

    def metrics(self, run: str) -> list[Metric]:
        """Everything that the phases of a run measured, in order."""
        rows = self._rows("SELECT * FROM metrics WHERE run = ? ORDER BY number", (run,))
        return [Metric(**_fields(row, Metric, fields=orjson.loads(row["fields"]))) for row in rows]

    def checkpoints(self, run: str) -> list[Checkpoint]:
        """The checkpoints of a run, in the order in which they were made."""
        rows = self._rows("SELECT * FROM checkpoints WHERE run = ? ORDER BY number", (run,))
        return [
            Checkpoint(
                **_fields(row, Checkpoint, carried=bool(row["carried"]), metrics=orjson.loads(row["metrics"]))
            )
            for row in rows
        ]

    def evaluations(self, run: str) -> list[Evaluation]:
        """The evaluations of a run, in the order in which they were made."""
        rows = self._rows("SELECT * FROM evaluations WHERE run = ? ORDER BY number", (run,))
        return [Evaluation(**_fields(row, Evaluation)) for row in rows]

    def _run(self, row: sqlite3.Row) -> RunSummary:
        status = row["status"]
        if status == "running" and not is_locked(RunLayout(self._root, row["name"]).folder):
            status = "stopped"
        return RunSummary(**_fields(row, RunSummary, status=status))

    def _rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                connection = self._open()
                return [] if connection is None else connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(
                    f"cannot read {index_path(self._root)}: {error}; `restmcts store rebuild` makes it anew"
                ) from error

    def _open(self) -> sqlite3.Connection | None:
        """The connection, a new one when the index file is another one than before."""
        path = check_index(self._root)
        found = identity(path)
        if found is None:
            self.close()
            if (self._root / RUNS).is_dir() and any((self._root / RUNS).iterdir()):
                raise StoreError(f"no {path}; `restmcts store rebuild` makes it from the files")
            return None
        if self._connection is None or found != self._identity:
            self.close()
            self._connection, self._identity = connect(path), found
        return self._connection


def identity(path: Path) -> tuple[int, int] | None:
    """Which files the index and its log are; None where there is no index.

    A connection to other files is of no use: another index has taken the place of the one that it has open,
    or something was about to do that and was killed.
    """
    log = Path(f"{path}-wal")
    try:
        return path.stat().st_ino, log.stat().st_ino if log.exists() else 0
    except FileNotFoundError:
        return None


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the index that cannot change it; rows by column name.

    Raises:
        StoreError: it is no index of this version of the program.
        sqlite3.Error: it cannot be read.
    """
    connection = sqlite3.connect(address(path), uri=True, check_same_thread=False, timeout=30)
    try:
        problem = explained(kind_of(connection), path)
        if problem is not None:
            raise StoreError(problem)
    except BaseException:
        connection.close()
        raise
    connection.row_factory = sqlite3.Row
    return connection


def address(path: Path) -> str:
    """The URI by which SQLite opens the index without changing it."""
    # SQLite reads a database in WAL mode only next to files that it may create; on read-only media
    # there is no writer either, so the file can be taken as it is.
    log = path.with_name(f"{path.name}-wal")
    fixed = not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)
    return f"{path.resolve().as_uri()}?{'immutable=1' if fixed else 'mode=ro'}"


def _where(run: str, filters: Filters) -> tuple[str, list[Any]]:
    parts: list[str] = ["run = ?"]
    values: list[Any] = [run]
    for column in ("phase", "method", "iteration"):
        value = filters.get(column)
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    solved, text = filters.get("solved"), filters.get("text")
    if solved is not None:
        parts.append("correct = 1" if solved else "correct IS NOT 1")
    if text:
        pattern = f"%{_escaped(text[:_TEXT_LIMIT])}%"
        parts.append(_TEXT)
        values += [pattern, pattern, run, pattern]
    return " AND ".join(parts), values


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join("\\" + letter if letter in "\\%_" else letter for letter in clean)


def _order(order_by: str, descending: bool) -> str:
    parts = [*_ORDERS[order_by].split(", "), "number", "phase"]
    direction = " DESC" if descending else ""
    return ", ".join(f"{part}{direction}" for part in dict.fromkeys(parts))


def _decoded(line: bytes) -> SearchRecord | None:
    try:
        return decode_search(line)
    except StoreError:
        return None  # a stale offset points into the middle of some line: the caller looks for the right one


def _fields(row: sqlite3.Row, cls: type, **more: Any) -> dict[str, Any]:
    """The fields of the dataclass ``cls`` by name: those in ``more``, the others from ``row``."""
    return {field.name: more.get(field.name, row[field.name]) for field in fields(cls)}


def _phase(row: sqlite3.Row) -> PhaseSummary:
    return PhaseSummary(**_fields(row, PhaseSummary, summary=orjson.loads(row["summary"])))


def _tree(row: sqlite3.Row) -> TreeSummary:
    correct = None if row["correct"] is None else bool(row["correct"])
    more = {"question": row["question"] or "", "correct": correct}
    return TreeSummary(**(_fields(row, TreeSummary) | more))
