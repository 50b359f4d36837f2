"""Runs and what belongs to a run as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from store.files.layout import RunLayout
from store.files.lock import is_locked
from store.index.reading.rows import members
from store.queries import SettingDifference
from store.records import Checkpoint, Evaluation, Metric, PhaseSummary, RunSummary

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from store.index.reading.rows import Rows

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


def runs(rows: Rows, root: Path, run: str | None = None) -> list[RunSummary]:
    """All runs, the newest first, or one of them."""
    return [_run(root, row) for row in rows(_RUNS, {"run": run})]


def _run(root: Path, row: sqlite3.Row) -> RunSummary:
    status = row["status"]
    if status == "running" and not is_written(root, row["name"]):
        status = "stopped"
    return RunSummary(**members(row, RunSummary, status=status))


def is_written(root: Path, run: str) -> bool:
    """Whether a process writes a run now."""
    return is_locked(RunLayout(root, run).folder)


def phases(rows: Rows, root: Path, run: str) -> list[PhaseSummary]:
    """The phases of a run, in the order in which they first started."""
    found = rows(_PHASES, (run,))
    open_ones = any(row["status"] == "running" for row in found)
    unfinished = "running" if open_ones and is_written(root, run) else "stopped"
    return [_phase(row, unfinished) for row in found]


def _phase(row: sqlite3.Row, unfinished: str) -> PhaseSummary:
    status = unfinished if row["status"] == "running" else row["status"]
    return PhaseSummary(**members(row, PhaseSummary, status=status, summary=orjson.loads(row["summary"])))


def pulse(rows: Rows, root: Path) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
    """See :meth:`store.index.reader.StoreReader.pulse`."""
    version = [row[0] for row in rows("PRAGMA user_version")]
    going = [row[0] for row in rows("SELECT run FROM runs WHERE status = 'running' ORDER BY run")]
    written = tuple(run for run in going if is_written(root, run))
    return (version[0] if version else 0, written, tuple(_modified(root, run) for run in going))


def _modified(root: Path, run: str) -> int:
    try:
        return RunLayout(root, run).progress.lstat().st_mtime_ns
    except OSError:
        return 0


def metrics(rows: Rows, run: str) -> list[Metric]:
    """Everything that the phases of a run measured, in order."""
    found = rows("SELECT * FROM metrics WHERE run = ? ORDER BY number", (run,))
    return [Metric(**members(row, Metric, fields=orjson.loads(row["fields"]))) for row in found]


def checkpoints(rows: Rows, run: str) -> list[Checkpoint]:
    """The checkpoints of a run, in the order in which they were made."""
    found = rows("SELECT * FROM checkpoints WHERE run = ? ORDER BY number", (run,))
    return [_checkpoint(row) for row in found]


def _checkpoint(row: sqlite3.Row) -> Checkpoint:
    more = {"carried": bool(row["carried"]), "metrics": orjson.loads(row["metrics"])}
    return Checkpoint(**members(row, Checkpoint, **more))


def evaluations(rows: Rows, run: str) -> list[Evaluation]:
    """The evaluations of a run, in the order in which they were made."""
    found = rows("SELECT * FROM evaluations WHERE run = ? ORDER BY number", (run,))
    return [Evaluation(**members(row, Evaluation)) for row in found]


def settings(rows: Rows, run: str) -> dict[str, Any]:
    """The settings of a run by their keys."""
    found = rows("SELECT key, value FROM settings WHERE run = ? ORDER BY key", (run,))
    return {row["key"]: orjson.loads(row["value"]) for row in found}


def settings_diff(rows: Rows, run_a: str, run_b: str) -> list[SettingDifference]:
    """The settings that two runs do not have alike, by their keys."""
    a, b = settings(rows, run_a), settings(rows, run_b)
    missing = object()
    return [
        SettingDifference(key, a.get(key), b.get(key))
        for key in sorted(a.keys() | b)
        if a.get(key, missing) != b.get(key, missing)
    ]
