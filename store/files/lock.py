"""Locks that the operating system releases when their process ends, however it ends.

A lock is always on a file that is open for writing: network file systems lock nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.errors import BusyError, StoreError
from store.files.atomic import writing
from store.files.plain import open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "writer.lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EINVAL}
_LOOK_AGAIN_SECONDS = 0.02


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
            StoreError: another writer has it, the folder cannot be written, or its file system has no locks.
        """
        path = folder / LOCK
        descriptor = _open(path)
        try:
            if not _taken_from_readers(descriptor, path):
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise StoreError(
                    f"run {folder.name!r} is being written by process {holder}; "
                    "wait for it, end it, or choose another run name"
                )
            with writing(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let others write; does nothing the second time."""
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Is a process writing the run in ``folder``? False also where the file system has no locks."""
    return is_held(folder / LOCK)


def is_held(path: Path) -> bool:
    """Does a process hold the lock file ``path``? False also where the file system has no locks."""
    try:
        descriptor = open_plain(path, os.O_RDONLY)
    except (OSError, StoreError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def exclusive(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock file ``path``, which is made where it is missing.

    Args:
        patience: for how many seconds to wait for another holder.

    Raises:
        BusyError: another process or thread holds it for longer.
        StoreError: it cannot be opened, or its file system has no locks.
    """
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + patience
        while not _locked(descriptor, path, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise BusyError(f"another restmcts holds {path}")
            time.sleep(_LOOK_AGAIN_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    with writing(path):
        return open_plain(path, os.O_RDWR | os.O_CREAT)


def _taken_from_readers(descriptor: int, path: Path) -> bool:
    """Take the lock unless a writer has it; False if one has.

    Those who only look share the lock for a moment (:func:`is_locked`) and are no reason to go away.
    """
    while not _locked(descriptor, path, fcntl.LOCK_EX):
        if not _locked(descriptor, path, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _locked(descriptor: int, path: Path, how: int) -> bool:
    """Try to lock without waiting; False where another holds the lock."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StoreError(f"cannot lock {path}: {error.strerror or error}") from error
        raise StoreError(
            f"cannot lock {path}: its file system has no file locks ({error.strerror}); put the store on a"
            " local disk, or have locks turned on (NFS: lockd)"
        ) from error
    return True
