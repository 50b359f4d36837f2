"""Other programs that hold a SQLite database: how long to wait for them, and what to say."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import BusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = 0.2
"""Seconds to wait for another program while a run goes on."""

LONG = 10.0
"""Seconds to wait for another program where nothing else is left to do."""

LOCKS = Path("/proc/locks")


def holders(path: Path, locks: Path = LOCKS) -> list[str]:
    """The other processes with a write lock on the database ``path``, such as ``python (process 12)``.

    Empty where that cannot be found out.
    """
    inodes = {str(file.stat().st_ino) for file in (path, Path(f"{path}-shm")) if file.exists()}
    try:
        lines = locks.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []
    found = set()
    for line in lines:
        words = line.split()
        # 3: POSIX  ADVISORY  WRITE 712 fd:00:131099 120 120; a second word "->" waits for a lock.
        if len(words) == 8 and words[3] == "WRITE" and words[5].rpartition(":")[2] in inodes:
            found.add(int(words[4]))
    return [f"{_name(process)} (process {process})" for process in sorted(found - {0, -1, os.getpid()})]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn an error of SQLite or of a file into one line that names ``path`` and says what to do.

    Raises:
        BusyError: another program holds the database.
        StoreError: any other error.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(f"{path} is held by {', '.join(holders(path)) or 'another program'}") from error
        if type(error) is sqlite3.DatabaseError:
            # Exactly this class: what the disk refuses is a subclass of it.
            text = f"{path} is damaged, or no database ({error})"
        else:
            text = f"cannot write {path}: {error}; see that the disk has space and the folder can be written"
        raise StoreError(f"{text}; `restmcts store rebuild` makes the index anew from the files") from error
