"""Which programs hold a SQLite database."""

from __future__ import annotations

import os
from pathlib import Path

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
