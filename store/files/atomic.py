"""Writing files so that a crash, a power failure or a full disk leaves either the old or the new one."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.files.fingerprints import Digest, Fingerprint
from store.files.plain import open_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_GO_ON = "start the run again: it goes on where it was"
_ELSEWHERE = "choose a store in a folder that can be written"
_CURES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the file size limit",
}
_ADVICE = {
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
}
_BLOCK = 1 << 20


@contextmanager
def writing(path: Path, then: str = _GO_ON) -> Iterator[None]:
    """Turn a failure of the operating system into one line that names ``path`` and says what to do.

    Args:
        path: what is being written.
        then: what to do once there is space again.

    Raises:
        StoreError: the block raised an :class:`OSError`.
    """
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        advice = _ADVICE.get(code) or f"{_CURES.get(code, 'check the disk')}, then {then}"
        raise StoreError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def make_folder(path: Path) -> None:
    """Create the folder ``path`` and its parents, if they are missing; a power failure leaves them there."""
    with writing(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_path(folder.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def sync_path(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, however little of it the system takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_file(path: Path, parts: Iterable[bytes], *, lines: bool = False) -> Fingerprint:
    """Write ``path`` from its start, force it to the disk and return what it holds; ``lines``: count them.

    Raises:
        OSError: it cannot be written.
    """
    digest = Digest()
    descriptor = open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        for block in _blocks(parts):
            write_all(descriptor, block)
            digest.add(block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest.fingerprint(lines=lines)


def replace_file(
    path: Path, parts: Iterable[bytes], *, ready: Callable[[Fingerprint], None] | None = None
) -> Fingerprint:
    """Write ``path`` as a whole: readers see the old content or the new, never a piece of it.

    Args:
        path: the file.
        parts: its content.
        ready: called with what the file will hold, when that is on the disk and not yet in its place.

    Returns:
        What the file holds.

    Raises:
        StoreError: it cannot be written; the old content stays.
    """
    make_folder(path.parent)
    # One writer a run: a temporary file that lies here was left by a writer that was killed.
    temporary = path.with_name(f".{path.name}.new")
    try:
        with writing(path):
            found = write_file(temporary, parts, lines=path.suffix == ".jsonl")
        if ready is not None:
            ready(found)
        with writing(path):
            temporary.replace(path)
            sync_path(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return found


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about a megabyte."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
