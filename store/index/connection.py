"""A connection to the index that changes nothing, and goes along when another index takes its place."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import InterruptedReadError, StoreError
from store.files.layout import RUNS, check_index, index_path
from store.index.schema import explained, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Connection:
    """The index of the store at ``root``, for reading; any thread may call it, one query at a time.

    Raises:
        StoreError: there are runs but no index, or the index cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._interrupted = 0

    def close(self) -> None:
        """Let go of the index; the next query opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def interrupt(self) -> None:
        """End the query that runs, and those that wait for it; they raise :class:`InterruptedReadError`."""
        self._interrupted += 1
        connection = self._connection
        if connection is not None:
            try:
                connection.interrupt()
            except sqlite3.ProgrammingError:
                return  # it has been closed in between, so no query runs

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query; none where there is no store yet."""
        before = self._interrupted
        with self._lock:
            if self._interrupted != before:
                raise InterruptedReadError("another query has taken the place of this one")
            try:
                connection = self._open()
                return [] if connection is None else connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                    raise InterruptedReadError("another query has taken the place of this one") from error
                raise StoreError(
                    f"cannot read {index_path(self.root)}: {error}; `restmcts store rebuild` makes it anew"
                ) from error

    def _open(self) -> sqlite3.Connection | None:
        """The connection, a new one when the index file is another one than before."""
        path = check_index(self.root)
        found = identity(path)
        if found is None:
            self.close()
            if (self.root / RUNS).is_dir() and any((self.root / RUNS).iterdir()):
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
