"""Compares an index with the files of its store, row by row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sqlite_utils import Database

from store.errors import StoreError
from store.files.layout import check_index
from store.index.connection import address, connect
from store.index.follower import Follower
from store.index.migrations import migrate
from store.index.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_REMEDY = "`restmcts store rebuild` makes it anew"
_SHOWN = 3
_COLUMNS = {"documents": "run, phase, number"}
"""What is compared of a table whose other columns depend on the order in which it was filled."""


def index_findings(root: Path, runs: Sequence[str], live: Sequence[str]) -> Iterator[str]:
    """What is wrong with the index of the store at ``root``.

    Args:
        runs: the runs that it should know.
        live: those of them that are being written, which may be ahead of the index.
    """
    try:
        path = check_index(root)
    except StoreError:
        return  # among the findings already
    if not path.exists():
        if len(runs) > len(live):
            yield f"{path}: missing; `restmcts store rebuild` makes it"
        return
    try:
        with closing(connect(path)) as stored:
            yield from _damage(stored, path)
            for run in sorted(_known(stored) - set(runs)):
                yield f"{path}: the folder of run {run!r} is gone; {_REMEDY}"
        for run in runs:
            if run not in live:
                yield from _differences(root, run, path)
    except (sqlite3.Error, OSError) as error:
        yield f"{path}: cannot be read: {error}; {_REMEDY}"
    except StoreError as error:
        yield str(error)


def _damage(stored: sqlite3.Connection, path: Path) -> Iterator[str]:
    found = [text for (text,) in stored.execute(f"PRAGMA integrity_check({_SHOWN})")]
    if found != ["ok"]:
        yield f"{path}: damaged: {'; '.join(map(str, found))}; {_REMEDY}"


def _known(stored: sqlite3.Connection) -> set[str]:
    return {str(run) for (run,) in stored.execute("SELECT DISTINCT run FROM files")}


def _differences(root: Path, run: str, path: Path) -> Iterator[str]:
    """Where the index does not say of ``run`` what an index would that is made now."""
    with closing(sqlite3.connect("", isolation_level=None, uri=True)) as made:
        migrate(Database(made))
        Follower(made, root).sync(run)
        made.execute("ATTACH ? AS stored", (address(path),))
        behind = list(_behind(made, root, run))
        for text in behind:
            yield f"{path}: {text}; {_REMEDY}"
        if behind:
            return
        for table in TABLES:
            if table != "files" and (rows := _differing(made, table, run)):
                yield f"{path}: {rows} rows of {table} of run {run!r} are not what the files say; {_REMEDY}"


def _behind(made: sqlite3.Connection, root: Path, run: str) -> Iterator[str]:
    """The files of which the index has not taken in as much as there is.

    Names and times of files do not count: they are others in a copy of a store.
    """
    sql = "SELECT path, bytes FROM {}.files WHERE run = ?"
    now, known = (dict(made.execute(sql.format(name), (run,)).fetchall()) for name in ("main", "stored"))
    for relative in sorted(now.keys() | known):
        if relative not in now:
            yield f"{relative} of run {run!r} is gone"
        elif now[relative] != known.get(relative):
            yield f"behind {root / 'runs' / run / relative}"


def _differing(made: sqlite3.Connection, table: str, run: str) -> int:
    """How many rows of a table are in one of both databases only; a changed row counts once."""
    columns = _COLUMNS.get(table, "*")
    part = f"SELECT {columns} FROM {{}}.{table} WHERE run = ?1"
    sql = f"SELECT count(*) FROM ({part} EXCEPT {part})"
    pairs = (("main", "stored"), ("stored", "main"))
    counts = [made.execute(sql.format(a, b), (run,)).fetchone()[0] for a, b in pairs]
    return int(max(counts))
