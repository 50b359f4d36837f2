"""The SQLite index of a store, as a file that several programs use.

The index is a cache. Its files are the truth, so whoever finds it locked or damaged goes on without it,
and catches up later.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlite_utils import Database

from store.errors import StoreError
from store.files.atomic import make_folder
from store.files.layout import check_index, index_lock, index_path
from store.files.lock import exclusive
from store.files.mounts import is_on_network
from store.index.connection import identity
from store.index.follower import Follower
from store.index.holders import LONG, SHORT, explaining
from store.index.migrations import migrate
from store.index.schema import explained, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.index.tables import Source


class Index:
    """The index of the store at ``root``, for writing; any thread may call it.

    It is opened by the first call, and again when the file has become another one, as a rebuild makes it.
    All who write an index, or put another in its place, hold the lock file beside it meanwhile.

    Each method waits ``patience`` seconds for other programs.

    Raises:
        BusyError: another program holds the index for longer.
        StoreError: SQLite cannot open, read or write it, or it is no index of this version.
    """

    def __init__(self, root: Path) -> None:
        self.path = index_path(root)
        self._root = root
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def sync(self, run: str, patience: float = LONG, *, optimize: bool = False) -> list[str]:
        """Take in what the files of ``run`` have that the index has not.

        Args:
            run: the run; one that is gone is forgotten.
            patience: for how many seconds to wait for other programs.
            optimize: let the planner of queries look at the tables.

        Returns:
            One line for each line of a file that makes no sense; the index goes on without it.
        """
        with self._opened(patience) as follower:
            findings = follower.sync(run)
            if optimize:
                follower.optimize()
            return findings

    def relocate(
        self, moved: Source, before: int, offsets: Iterable[tuple[int, int]], patience: float = LONG
    ) -> None:
        """The lines of a trees file were put in another order; see :meth:`Follower.relocate`."""
        with self._opened(patience) as follower:
            follower.relocate(moved, before, offsets)

    def close(self) -> None:
        """Let go of the index; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                # So that SQLite does not remove a log while another index is put in its place.
                with suppress(StoreError), exclusive(index_lock(self._root), SHORT):
                    self._close()
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @contextmanager
    def _opened(self, patience: float) -> Iterator[Follower]:
        with self._lock:
            make_folder(self._root)
            check_index(self._root)
            with exclusive(index_lock(self._root), patience), explaining(self.path):
                connection = self._current(patience)
                connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")
                yield Follower(connection, self._root)
                self._identity = identity(self.path)

    def _current(self, patience: float) -> sqlite3.Connection:
        """The connection, a new one where the file is another one than before."""
        if self._connection is None or identity(self.path) != self._identity:
            self._close()
            self._connection = open_database(self.path, patience)
        return self._connection


def open_database(path: Path, patience: float) -> sqlite3.Connection:
    """The database ``path`` with the tables of this version; a new one where there is none.

    Raises:
        StoreError: it has other tables.
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        kind = kind_of(connection)
        if kind not in ("current", "empty", "older"):
            raise StoreError(explained(kind, path))
        # Programs on several machines cannot share what write-ahead logging keeps in memory.
        connection.execute(f"PRAGMA journal_mode = {'DELETE' if is_on_network(path.parent) else 'WAL'}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
        migrate(Database(connection))
    except BaseException:
        connection.close()
        raise
    return connection
