"""One writer a run: a lock that the operating system releases when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.files.atomic import writing
from store.files.plain import open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "writer.lock"


class RunLock:
    """The exclusive right to write a run, from :meth:`take` to :meth:`release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # A forked child (a grader, a data loader) would keep the lock alive after this process was
        # killed, so it lets go of its copy.
        os.register_at_fork(after_in_child=self._close)

    @classmethod
    def take(cls, folder: Path) -> RunLock:
        """Lock the run in ``folder``, which exists.

        Raises:
            StoreError: another writer has it, or the folder cannot be written.
        """
        path = folder / LOCK
        with writing(path):
            descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
        with one_at_a_time(folder):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise StoreError(
                    f"run {folder.name!r} is being written by process {holder}; "
                    "wait for it, end it, or choose another run name"
                ) from error
        lock = cls(descriptor)
        try:
            with writing(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except StoreError:
            lock.release()
            raise
        return lock

    def release(self) -> None:
        """Let others write; does nothing the second time."""
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Is a process writing the run in ``folder``?"""
    try:
        descriptor = open_plain(folder / LOCK, os.O_RDONLY)
    except (OSError, StoreError):
        return False
    try:
        with one_at_a_time(folder):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder`` itself, which is only ever taken for a moment.

    Trying the lock of a run under it, a reader that looks never turns a writer away.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
