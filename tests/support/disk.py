"""A disk that can be made to fail at any call, and one that forgets what was not forced to it.

Both look at the calls by which Python changes a disk, in this process. What libraries write by calls of their
own (weights, tokenizers, SQLite) is seen when the program forces it to the disk.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from store.files.exchange import exchange as exchange_names

Fault = Literal["full-once", "full", "error", "killed", "torn"]
FAULTS: tuple[Fault, ...] = ("full-once", "full", "error", "killed", "torn")
"""What happens at a call: the disk is full for it, or from then on; the disk fails once; the process ends
before it, or in the middle of it."""

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at open files in /proc")
"""For tests with a :class:`ForgetfulDisk`."""

_TAKING_SPACE = {"open", "write", "fsync", "mkdir", "rename", "replace"}
_CALLS = ("open", "write", "fsync", "ftruncate", "mkdir", "rename", "replace", "unlink", "rmdir", "chmod")
_WRITING = os.O_WRONLY | os.O_RDWR


class Killed(BaseException):
    """The process ended here; nothing that comes after it changes the disk."""


@dataclass
class FaultyDisk:
    """Counts the calls that change the disk; at call ``place`` the ``fault`` happens."""

    place: int | None = None
    fault: Fault = "killed"
    count: int = 0
    happened: bool = False
    dead: bool = False

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """A call in place of the call ``name`` of the system."""

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not (arguments[1] & _WRITING):
                return real(*arguments, **options)
            if self.dead:
                raise Killed
            here = self.count == self.place
            self.count += 1
            if here or (self.happened and self.fault == "full"):
                self._happen(name, real, arguments)
            return real(*arguments, **options)

        return call

    def _happen(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if self.fault in ("killed", "torn"):
            self.happened = self.dead = True
            if self.fault == "torn" and name == "write":
                data = bytes(arguments[1])
                real(arguments[0], data[: len(data) // 2])
            raise Killed
        if self.fault == "error" or name in _TAKING_SPACE:
            self.happened = True
            code = errno.EIO if self.fault == "error" else errno.ENOSPC
            raise OSError(code, os.strerror(code))

    @contextmanager
    def mounted(self, *, exchange: bool = True) -> Iterator[None]:
        """Everything in the block works on this disk; ``exchange``: it can exchange two names."""
        swap = exchange_names if exchange else _cannot_exchange
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, self.around(name, getattr(os, name)))
            patch.setattr("store.files.folders.exchange", self.around("exchange", swap))
            yield


def _cannot_exchange(_first: Path, _second: Path) -> bool:
    return False


@dataclass
class ForgetfulDisk:
    """Remembers what was forced to the disk, and writes down what is left of a folder after a power failure.

    Args:
        root: the folder; what is above it does not get lost.
        moments: before which calls of fsync the power fails, each with the folder to write what is left
            to, and random numbers that decide what of the rest has survived (None: nothing).
    """

    root: Path
    moments: dict[int, list[tuple[Path, random.Random | None]]] = field(default_factory=dict)
    count: int = 0
    _held: dict[int, int] = field(default_factory=dict)
    _content: dict[int, bytes] = field(default_factory=dict)
    _names: dict[int, dict[str, int]] = field(default_factory=dict)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Everything in the block is watched."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self._fail_here()
            real(descriptor)
            self._forced(descriptor)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            try:
                yield
                self._fail_here()
            finally:
                for descriptor in self._held.values():
                    os.close(descriptor)

    def _forced(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}")
        self._hold(found.st_ino, path)
        if stat.S_ISDIR(found.st_mode):
            self._names[found.st_ino] = self._list(path)
        else:
            self._content[found.st_ino] = path.read_bytes()

    def _list(self, folder: Path) -> dict[str, int]:
        """The names in a folder and their inodes."""
        names = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                names[entry.name] = entry.inode()
                self._hold(entry.inode(), entry.path)
        return names

    def _hold(self, inode: int, path: str | Path) -> None:
        # As long as a file is open, its inode is not given to another one.
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_PATH | os.O_CLOEXEC)

    def _fail_here(self) -> None:
        for target, chance in self.moments.get(self.count, ()):
            live = {path.stat().st_ino: path for path in [self.root, *self.root.rglob("*")]}
            self._write(self.root.stat().st_ino, target, chance, live)
        self.count += 1

    def _write(self, inode: int, target: Path, chance: random.Random | None, live: dict[int, Path]) -> None:
        survives = chance is not None and inode in live and chance.random() < 0.5
        if not stat.S_ISDIR(os.fstat(self._held[inode]).st_mode if inode in self._held else 0o040000):
            sure = self._content.get(inode, b"")
            target.write_bytes(_some(sure, live[inode].read_bytes(), chance) if survives and chance else sure)
            return
        target.mkdir()
        names = self._list(live[inode]) if survives else self._names.get(inode, {})
        for name, member in names.items():
            if not name.startswith("index.db"):  # SQLite forces it to the disk by calls of its own
                self._write(member, target / name, chance, live)


def _some(sure: bytes, whole: bytes, chance: random.Random) -> bytes:
    """What a power failure may leave of a file: all of it, a part, or a part and zeros."""
    if not whole.startswith(sure):
        return whole
    end = chance.choice([len(whole), chance.randint(len(sure), len(whole))])
    return whole[:end] + chance.choice([b"", bytes(len(whole) - end)])
