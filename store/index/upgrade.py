"""Brings an index that an older version has made up to date, before somebody reads it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store.files.layout import check_index, run_names
from store.index.connection import address
from store.index.holders import LONG, explaining
from store.index.schema import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_UNREAD = "SELECT run FROM runs WHERE run NOT IN (SELECT run FROM files) ORDER BY run"


def upgrade_index(root: Path, note: Callable[[str], None]) -> None:
    """Read the runs again whose rows in the index are of an older version; does nothing to any other index.

    A store that cannot be written stays as it is.

    Args:
        root: the store.
        note: is told what is done, in one line, before it is done.

    Raises:
        BusyError: another program holds the index.
        StoreError: the index cannot be written.
    """
    path = check_index(root)
    if not path.exists() or not os.access(root, os.W_OK) or not os.access(path, os.W_OK):
        return
    with explaining(path):
        kind, unread = _look(path)
    if kind == "older":
        names = run_names(root)
        from store.index.rebuild import rebuild_index

        note(f"{path} was made by an older restmcts: reading {_counted(names)} again, once")
        rebuild_index(root)
    elif unread:
        note(f"{path} knows less about {_counted(unread)} than this version: reading again, once")
        _read_again(root, unread)


def _look(path: Path) -> tuple[str, list[str]]:
    """What the database is, and the runs of which the index knows what an older version knew."""
    try:
        with closing(sqlite3.connect(address(path), uri=True, timeout=LONG)) as connection:
            kind = kind_of(connection)
            runs = [run for (run,) in connection.execute(_UNREAD)] if kind == "current" else []
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        return "damaged", []  # the reader says so, and what to do
    return kind, [run for run in runs if run in set(run_names(path.parent))]


def _read_again(root: Path, runs: list[str]) -> None:
    # Not on top: those who only look at an index need nothing of what writes it.
    from store.index.index import Index

    index = Index(root)
    try:
        for run in runs:
            index.sync(run, optimize=run == runs[-1])
    finally:
        index.close()


def _counted(runs: list[str]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
