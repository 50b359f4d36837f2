"""What a run reads from outside: problem files and model folders, as they were when it first used them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.errors import InputError, StoreError
from store.files.fingerprints import Fingerprint, fingerprint_file, visible_files
from store.files.folders import MARKER, marked_files

if TYPE_CHECKING:
    from collections.abc import Mapping

ITSELF = "."
"""The name of the file in an input that is a file."""

_READ = frozenset({".json", ".safetensors", ".jinja", ".model", ".txt", ".tiktoken"})
"""How the names of the files end that decide what a model does."""

WEIGHTS = ".safetensors"
"""How the names of files of weights end."""

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a run has read: what it held, and by what a file is taken for the same one unread.

    ``modified`` is the time of its last change in nanoseconds.
    """

    fingerprint: Fingerprint
    inode: int
    modified: int

    def to_row(self) -> dict[str, Any]:
        """The file as JSON values."""
        return {**self.fingerprint.to_row(), "inode": self.inode, "modified": self.modified}

    @classmethod
    def from_row(cls, row: Any) -> InputFile:
        """What :meth:`to_row` gave. Raises ValueError for anything else."""
        if type(row) is not dict or type(row.get("inode")) is not int or type(row.get("modified")) is not int:
            raise ValueError("a file of an input has an inode and a time")
        held = {key: value for key, value in row.items() if key not in ("inode", "modified")}
        return cls(Fingerprint.from_row(held), row["inode"], row["modified"])


Input = dict[str, InputFile]
"""The files of an input by their paths in it; :data:`ITSELF` for an input that is one file."""


def to_rows(files: Input) -> dict[str, Any]:
    """The files of an input as JSON values."""
    return {name: file.to_row() for name, file in files.items()}


def from_rows(rows: Any) -> Input:
    """What :func:`to_rows` gave. Raises ValueError for anything else."""
    if type(rows) is not dict:
        raise ValueError("the files of an input are an object")
    return {name: InputFile.from_row(row) for name, row in rows.items()}


def the_same(path: Path, known: Input | None, run: str) -> Input:
    """What an input of ``run`` holds now, which is what it held when the run first used it (``known``).

    Raises:
        InputError: it holds something else, and the message names the difference; or it cannot be read; or it
            is new, and a checkpoint with other weights than were written.
    """
    found = look_at(path, known or {})
    if known is None:
        _check_weights(path, found)
    elif differing := changes(known, found):
        raise InputError(
            f"{path}: run {run!r} began with another content: {'; '.join(differing)}. Put back what was"
            " there, or choose another run name"
        )
    return found


def _check_weights(folder: Path, found: Input) -> None:
    """Refuse a checkpoint whose weights are not those that its marker names."""
    for name, written in (marked_files(folder) or {}).items():
        if not name.endswith(WEIGHTS):
            continue
        file = found.get(name)
        difference = "is gone" if file is None else written.difference(file.fingerprint)
        if difference is not None:
            raise InputError(
                f"{folder / name}: not the weights that were written ({difference}): restore the file, or"
                f" delete {MARKER} if you have changed the model yourself"
            )


def look_at(path: Path, known: Mapping[str, InputFile]) -> Input:
    """What an input holds now.

    A file whose size, time and inode are those of ``known`` is not read again, and no file is read twice by a
    process.

    Raises:
        InputError: it is missing, or holds something that is no file and cannot be read.
    """
    try:
        if not path.is_dir():
            return {ITSELF: _look(path, known.get(ITSELF))}
        files = [file for file in visible_files(path) if file.suffix in _READ]
        names = [file.relative_to(path).as_posix() for file in files]
        return {name: _look(file, known.get(name)) for name, file in zip(names, files, strict=True)}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except StoreError as error:
        raise InputError(str(error)) from error


def _look(file: Path, known: InputFile | None) -> InputFile:
    now = file.stat()
    place = (now.st_size, now.st_ino, now.st_mtime_ns)
    if known is not None and (known.fingerprint.bytes, known.inode, known.modified) == place:
        return known
    return InputFile(_read(os.fspath(file), *place), now.st_ino, now.st_mtime_ns)


@lru_cache(maxsize=4096)
def _read(file: str, _size: int, _inode: int, _modified: int) -> Fingerprint:
    return fingerprint_file(Path(file))


def changes(before: Mapping[str, InputFile], now: Mapping[str, InputFile]) -> list[str]:
    """What is another content now, one text for each file; none where all is the same."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        told = "" if name == ITSELF else f"{name} "
        if old is None or new is None:
            found.append(f"{told}{'is new' if old is None else 'is gone'}")
        elif (difference := old.fingerprint.difference(new.fingerprint)) is not None:
            digests = f"SHA-256 {new.fingerprint.sha256[:12]}… instead of {old.fingerprint.sha256[:12]}…"
            found.append(f"{told}has {difference} ({digests})")
    more = [f"and {len(found) - _SHOWN} more files differ"] if len(found) > _SHOWN else []
    return found[:_SHOWN] + more
