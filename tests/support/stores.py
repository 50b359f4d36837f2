"""What a store holds, apart from times: to compare runs that must be equal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from restmcts.loops.work.searching import ENGINE_METRICS
from store.check import check, rebuild
from store.index.schema import TABLES


def contents(root: Path, run: str = "run") -> dict[str, str]:
    """What a store holds, apart from times: a digest for each file of the run."""
    folder = root / "runs" / run
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in {"phases.jsonl", "env.json", "writer.lock"}:
            continue
        data = path.read_bytes()
        if path.suffix == ".jsonl":
            rows = map(without_times, data.decode().splitlines())
            data = "\n".join(row for row in rows if row is not None).encode()
        found[name] = sha256(data).hexdigest()
    return found


def without_times(line: str) -> str | None:
    """A row of a file without what differs between equal runs; None where nothing is left.

    That is times, and the worker that made a search.
    """
    row: dict[str, Any] = json.loads(line)
    if str(row.get("name", "")).startswith(ENGINE_METRICS):
        return None
    row.pop("crc32", None)
    row.get("header", row).pop("worker", None)
    row.get("result", row).pop("seconds", None)
    return json.dumps(row)


def make_older(path: Path, without: Sequence[str] = ()) -> None:
    """Write a file of lines as versions without checksums, numbers and fingerprints did.

    Lines of the journal about the events ``without`` are left out.
    """
    lines = []
    for line in path.read_bytes().splitlines():
        row: dict[str, Any] = json.loads(line)
        if row.get("event") in {"labelled", *without}:
            continue
        news = {"crc32", "number"} | ({"files", "rows"} if row.get("event") in ("created", "done") else set())
        lines.append(json.dumps({name: row[name] for name in row if name not in news}) + "\n")
    path.write_text("".join(lines), "utf-8")


def index_rows(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the index, apart from when it was made."""
    with sqlite3.connect(root / "index.db") as database:
        rows = {
            name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for name in TABLES
            if name != "documents"  # their ids follow the order in which they were read
        }
    database.close()
    return rows


def problems_of(root: Path, expected: dict[str, str], run: str = "run") -> list[str]:
    """What is wrong with a run that was disturbed; nothing, it is to be hoped."""
    found = contents(root, run)
    wrong = [
        f"{name} differs" for name in sorted(found.keys() | expected) if found.get(name) != expected.get(name)
    ]
    wrong += check(root)
    before = index_rows(root)
    for path in root.glob("index.db*"):
        path.unlink()
    rebuild(root)
    after = index_rows(root)
    wrong += [f"table {name} of the index differs" for name in before if before[name] != after.get(name)]
    return wrong
