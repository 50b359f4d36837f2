"""Writing files so that a crash or a full disk leaves either the old or the new one."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.files.plain import open_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "free some space, then start the run again: it goes on where it was",
    errno.EDQUOT: "free some space, then start the run again: it goes on where it was",
    errno.EFBIG: "raise the file size limit, then start the run again: it goes on where it was",
    errno.EROFS: "choose a store in a folder that can be written",
    errno.EACCES: "choose a store in a folder that can be written",
    errno.EPERM: "choose a store in a folder that can be written",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure of the operating system into one line that names ``path`` and says what to do.

    Raises:
        StoreError: the block raised an :class:`OSError`.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check the disk, then start the run again")
        raise StoreError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def make_folder(path: Path) -> None:
    """Create the folder ``path`` and its parents, if they are missing."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, parts: Iterable[bytes]) -> None:
    """Write ``path`` as a whole: readers see the old content or the new, never a piece of it.

    Raises:
        StoreError: it cannot be written; the old content stays.
    """
    make_folder(path.parent)
    # One writer a run: a temporary file that lies here was left by a writer that was killed.
    temporary = path.with_name(f".{path.name}.new")
    try:
        with writing(path):
            descriptor = open_plain(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
