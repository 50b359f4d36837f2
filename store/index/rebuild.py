"""Makes an index anew, beside the old one, which it replaces when it is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from store.errors import BusyError, StoreError
from store.files.atomic import sync_path, writing
from store.files.layout import check_index, index_lock, run_names
from store.files.lock import exclusive
from store.index.follower import Follower
from store.index.holders import explaining
from store.index.index import open_database
from store.index.schema import explained, kind_of

_BESIDE = ("-wal", "-shm", "-journal")
"""The endings of the files that SQLite keeps beside a database."""


def rebuild_index(root: Path, patience: float = 15.0) -> dict[str, int]:
    """Make the index of the store at ``root`` anew from the files.

    The new index takes the place of the old one when it is whole, so that nobody takes a part of it for the
    whole, whenever this is killed. Writers of runs do without an index meanwhile, and then write the new one.

    Args:
        patience: for how many seconds to wait for another program that holds the index.

    Returns:
        How many rows each table has, and under ``broken`` how many lines of files were left out because
        they make no sense.

    Raises:
        BusyError: another program holds the index.
        StoreError: it cannot be written, or something else is in its place.
    """
    path = check_index(root)
    new = path.with_name(f"{path.name}.new")
    with exclusive(index_lock(root), patience), explaining(path):
        before = _replaceable(path, patience)
        _remove(new)
        try:
            with explaining(new), closing(open_database(new, patience)) as connection:
                found = _fill(Follower(connection, root), root, before)
            _put_in_place(new, path, patience)
        finally:
            _remove(new)
    return found


def _replaceable(path: Path, patience: float) -> int:
    """The version of the index that is to be replaced; 0 where there is none, or it is damaged."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path, timeout=patience)) as connection:
            kind = kind_of(connection)
            version = Follower(connection, path.parent).version()
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        return 0
    if kind == "foreign":
        raise StoreError(explained(kind, path))
    return version


def _fill(follower: Follower, root: Path, before: int) -> dict[str, int]:
    broken = [finding for run in run_names(root) for finding in follower.sync(run)]
    # Runs went on while the files were read: what they have added since is taken in too.
    broken += [finding for run in run_names(root) for finding in follower.sync(run)]
    follower.optimize()
    # Readers compare versions, so the new index must not have one that the old one had.
    follower.set_version((max(before, follower.version()) + 1) % 2**31)
    return {**follower.counts(), "broken": len(broken)}


def _put_in_place(new: Path, path: Path, patience: float) -> None:
    """Let ``new`` take the place of ``path``.

    SQLite would read a log that lies beside the name for part of the new database. So the old database takes
    in its log first, and the log is removed before the name changes hands: whatever ends this in between, a
    whole index has the name.
    """
    _take_in_log(path, patience)
    with writing(path):
        for ending in _BESIDE:
            Path(f"{path}{ending}").unlink(missing_ok=True)
        new.replace(path)
        sync_path(path.parent)


def _take_in_log(path: Path, patience: float) -> None:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=patience, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        return  # damaged: nothing in it is worth keeping
    if busy:
        raise BusyError(f"{path} is held by another program: close it, then make the index again")


def _remove(database: Path) -> None:
    with writing(database):
        for ending in ("", *_BESIDE):
            Path(f"{database}{ending}").unlink(missing_ok=True)
