"""Fingerprints: the size and the SHA-256 of what was written, by which it is known again later."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file holds: its bytes, their SHA-256 in hexadecimal and, for JSON Lines, the number of lines."""

    bytes: int
    sha256: str
    lines: int | None = None

    def to_row(self) -> dict[str, Any]:
        """The fingerprint as JSON values."""
        row: dict[str, Any] = {"bytes": self.bytes, "sha256": self.sha256}
        return row if self.lines is None else {**row, "lines": self.lines}

    @classmethod
    def from_row(cls, row: Any) -> Fingerprint:
        """What :meth:`to_row` gave. Raises ValueError for anything else."""
        if type(row) is not dict or not {"bytes", "sha256"} <= row.keys() <= {"bytes", "sha256", "lines"}:
            raise ValueError("a fingerprint has bytes, sha256 and perhaps lines")
        size, digest, lines = row["bytes"], row["sha256"], row.get("lines")
        if type(size) is not int or type(digest) is not str or not _SHA256.fullmatch(digest):
            raise ValueError("a fingerprint has a number of bytes and a SHA-256 in hexadecimal")
        if lines is not None and type(lines) is not int:
            raise ValueError("lines of a fingerprint is no whole number")
        return cls(size, digest, lines)

    def difference(self, found: Fingerprint) -> str | None:
        """How ``found`` differs from this one, in words; None where both are the same."""
        if (found.bytes, found.sha256) == (self.bytes, self.sha256):
            return None
        if found.bytes == self.bytes:
            return f"other content in the same {found.bytes} bytes"
        if None not in (self.lines, found.lines) and self.lines != found.lines:
            return f"{found.lines} lines instead of {self.lines}"
        return f"{found.bytes} bytes instead of {self.bytes}"


class Digest:
    """Takes in what is written, piece by piece; :meth:`fingerprint` says what it was so far."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._lines = 0

    def add(self, data: bytes) -> None:
        self._sha256.update(data)
        self._bytes += len(data)
        self._lines += data.count(b"\n")

    def fingerprint(self, *, lines: bool) -> Fingerprint:
        """The fingerprint of everything so far; ``lines``: with the number of newlines."""
        return Fingerprint(self._bytes, self._sha256.hexdigest(), self._lines if lines else None)


def fingerprint_file(path: Path) -> Fingerprint:
    """Read a file once and return its fingerprint; the lines of a ``.jsonl`` file are counted.

    Raises:
        StoreError: it is missing, no regular file, or cannot be read.
    """
    digest = Digest()
    try:
        # A pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StoreError(f"{path}: is no regular file; move it away")
            while block := file.read(_BLOCK):
                digest.add(block)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.fingerprint(lines=path.suffix == ".jsonl")


def fingerprint_folder(folder: Path) -> dict[str, Fingerprint]:
    """The fingerprint of every file below ``folder``, by its path relative to it, sorted.

    Files and folders whose names begin with a dot are left out: no model is read from them, and downloads
    keep their own notes there.

    Raises:
        StoreError: a file is no regular one or cannot be read.
    """
    return {path.relative_to(folder).as_posix(): fingerprint_file(path) for path in visible_files(folder)}


def visible_files(folder: Path) -> Iterator[Path]:
    """The files below ``folder`` whose names, and those of their folders, begin without a dot; sorted."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from visible_files(entry)
        elif not entry.is_dir():
            yield entry
