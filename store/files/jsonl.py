"""JSON Lines files: append-only, one writer, a torn last line is as good as not written."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.encoding.lines import parse_line
from store.errors import StoreError
from store.files.atomic import make_folder, sync_path, write_all, writing
from store.files.plain import open_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SYNC_SECONDS = 2.0
"""How long a line may lie with the operating system before it is forced to the disk."""

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line of a file: where it starts, its number from 1, its bytes without the newline."""

    offset: int
    number: int
    data: bytes

    @property
    def end(self) -> int:
        """Where the next line starts."""
        return self.offset + len(self.data) + 1


class LineWriter:
    """Appends lines to one file; what a crash left half-written is cut off first.

    Raises:
        StoreError: the file cannot be written. What was there stays, and the line can be tried again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        with writing(path):
            self._descriptor = open_plain(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            self._size = _cut_torn_tail(self._descriptor)
        self._torn = False
        self._forced = False
        self._waiting: list[bytes] = []
        """The lines from byte ``_sure`` on: those that the disk may not have yet."""
        self._sure = self._size
        self._doubtful = False
        self._synced_at = time.monotonic()

    def append(self, data: bytes, *, durable: bool = False) -> None:
        """Write one line; it survives this process at once, and a power failure a little later.

        Args:
            data: the line, without the newline.
            durable: it survives a power failure at once.

        Raises:
            StoreError: it cannot be written; the file is as it was before.
        """
        line = data + b"\n"
        with writing(self.path):
            if self._torn:
                self._undo()
            waiting = len(self._waiting)
            try:
                write_all(self._descriptor, line)
                self._waiting.append(line)
                if durable or time.monotonic() - self._synced_at > SYNC_SECONDS:
                    self._force()
            except BaseException:
                del self._waiting[waiting:]
                self._torn = True
                with suppress(OSError):
                    self._undo()
                raise
            self._size += len(line)

    def sync(self) -> None:
        """Force everything to the disk.

        Raises:
            StoreError: that failed; the same call can be made again.
        """
        with writing(self.path):
            if self._torn:
                self._undo()
            if self._waiting or not self._forced:
                self._force()
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Force everything to the disk and let go of the file; does nothing the second time."""
        if self._descriptor < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _force(self) -> None:
        if self._doubtful:
            self._write_again()
        try:
            os.fsync(self._descriptor)
            if not self._forced:
                # What lies here may be of a writer that was killed before it came to this.
                sync_path(self.path.parent)
        except BaseException:
            self._doubtful = True
            raise
        self._doubtful, self._forced = False, True
        self._sure += sum(map(len, self._waiting))
        self._waiting.clear()
        self._synced_at = time.monotonic()

    def _write_again(self) -> None:
        """Write what is waiting a second time, in the same place.

        After a failed fsync, the system counts as written what it could not write, and the next fsync says
        that all is well.
        """
        descriptor = open_plain(self.path, os.O_WRONLY)
        try:
            os.lseek(descriptor, self._sure, os.SEEK_SET)
            write_all(descriptor, b"".join(self._waiting))
        finally:
            os.close(descriptor)

    def _undo(self) -> None:
        os.ftruncate(self._descriptor, self._size)
        self._sure = min(self._sure, self._size)
        self._torn = False


def read_lines(path: Path, offset: int = 0, number: int = 0, *, whole: bool = False) -> Iterator[Line]:
    """The whole lines of ``path`` from byte ``offset`` on, which follows line ``number``.

    A file that is not there has no lines. A last line without a newline is left out, as a writer that was
    killed leaves one, unless the file is known to be ``whole``.
    """
    try:
        file = os.fdopen(open_plain(path, os.O_RDONLY), "rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    with file:
        file.seek(offset)
        for data in file:
            ended = data.endswith(b"\n")
            if not ended and not whole:
                return
            number += 1
            yield Line(offset, number, data[:-1] if ended else data)
            offset += len(data)


def read_rows(
    path: Path, offset: int = 0, number: int = 0, *, whole: bool = False
) -> Iterator[tuple[Line, Any]]:
    """The lines of ``path`` and their JSON values; a torn last line is left out of a file that is not whole.

    Raises:
        StoreError: another line is not JSON, or its checksum is wrong.
    """
    for line, row in parse_lines(path, offset, number, whole=whole):
        if isinstance(row, ValueError):
            raise StoreError(f"{path}:{line.number}: {row}; restore the file or delete the line")
        yield line, row


def parse_lines(
    path: Path, offset: int = 0, number: int = 0, *, whole: bool = False
) -> Iterator[tuple[Line, Any]]:
    """Like :func:`read_rows`, but a line that cannot be read comes with the error in place of its value."""
    broken: tuple[Line, ValueError] | None = None
    for line in read_lines(path, offset, number, whole=whole):
        if broken is not None:
            yield broken
            broken = None
        try:
            row = parse_line(line.data)
        except ValueError as error:
            broken = line, error
        else:
            yield line, row
    if broken is not None and whole:
        yield broken


def read_at(path: Path, offset: int, length: int) -> bytes | None:
    """``length`` bytes of ``path`` from ``offset`` on, None where the file has no such part."""
    try:
        with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
            file.seek(offset)
            data = file.read(length)
    except OSError:
        return None
    return data if len(data) == length else None


def find_line(path: Path, matches: Callable[[Any], bool]) -> Line | None:
    """The first line whose JSON value ``matches``. Raises :class:`StoreError` like :func:`read_rows`."""
    return next((line for line, row in read_rows(path) if matches(row)), None)


def _cut_torn_tail(descriptor: int) -> int:
    """Cut off a last line that has no newline or cannot be read; return the size that remains."""
    size = os.fstat(descriptor).st_size
    end = _line_start(descriptor, size)
    if end:
        start = _line_start(descriptor, end - 1)
        if not _is_sound(os.pread(descriptor, end - 1 - start, start)):
            end = start
    if end < size:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return end


def _line_start(descriptor: int, end: int) -> int:
    """Where the line starts that holds the byte before ``end``, its own newline not counted."""
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _is_sound(data: bytes) -> bool:
    try:
        parse_line(data)
    except ValueError:
        return False
    return True
