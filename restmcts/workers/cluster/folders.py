"""Model folders on their way to other nodes: what they hold, and whether a node has the same."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from restmcts.engines.adapters import base_folder, is_adapter
from restmcts.errors import InputError
from store.files.fingerprints import Fingerprint
from store.files.inputs import look_at

BLOCK: Final = 64 * 2**20
"""Files are sent in blocks of so many bytes."""

_WHOLE: Final = ".whole"
"""The file that an unpacked folder gets last; with a dot, it is no file of a model."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of a model: where it is, and what the files hold that decide what the model does.

    ``base`` is the folder of the whole model that an adapter belongs to.
    """

    path: str
    files: Mapping[str, Fingerprint]
    base: ModelFolder | None = None

    @property
    def digest(self) -> str:
        """A digest of the names and the contents of all files."""
        rows = sorted((name, file.bytes, file.sha256) for name, file in self.files.items())
        return sha256(repr(rows).encode("utf-8", "backslashreplace")).hexdigest()

    @property
    def blocks(self) -> int:
        """In how many blocks the files are sent."""
        return sum(_blocks(file.bytes) for file in self.files.values())

    def to_row(self) -> dict[str, Any]:
        """The folder as JSON values."""
        files = {name: file.to_row() for name, file in self.files.items()}
        return {"path": self.path, "files": files, "base": None if self.base is None else self.base.to_row()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> ModelFolder:
        """What :meth:`to_row` gave."""
        files = {name: Fingerprint.from_row(file) for name, file in row["files"].items()}
        return cls(row["path"], files, None if row["base"] is None else cls.from_row(row["base"]))


def model_folder(path: Path) -> ModelFolder:
    """The folder of a model as it is on this machine.

    Raises:
        InputError: it cannot be read.
    """
    base = model_folder(base_folder(path)) if is_adapter(path) else None
    files = {name: file.fingerprint for name, file in look_at(path, {}).items()}
    return ModelFolder(str(path.absolute()), files, base)


def compare(folder: ModelFolder) -> None:
    """See that this machine has the same folder under the same path.

    Raises:
        InputError: it has not; the message says what is missing or differs.
    """
    path = Path(folder.path)
    if not path.is_dir():
        raise InputError(
            f"{path}: no such folder here; share the disk among all nodes, or set cluster.weights ="
            ' "object-store"'
        )
    found = look_at(path, {})
    for name, file in folder.files.items():
        other = found.get(name)
        difference = "is missing" if other is None else file.difference(other.fingerprint)
        if difference is not None:
            raise InputError(
                f"{path / name}: {difference}, compared with the node of the run: the folder is another one,"
                ' or not copied to its end; set cluster.weights = "object-store", or copy it again'
            )
    if folder.base is not None:
        compare(folder.base)


def read_blocks(folder: ModelFolder) -> Iterator[bytes]:
    """The content of all files, one after the other, in blocks.

    Raises:
        InputError: a file cannot be read.
    """
    for name in folder.files:
        path = Path(folder.path, name)
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A temporary folder with the files of a model, for as long as the process holds its lock."""

    folder: ModelFolder
    lock: int

    def close(self) -> None:
        """Let go of it; the last process of the node removes it."""
        os.close(self.lock)
        _remove_unused(Path(self.folder.path).parent)


def unpack(folder: ModelFolder, blocks: Sequence[Callable[[], bytes]]) -> Unpacked:
    """Write the files of a folder into a temporary folder of this machine, which all its processes share.

    What processes that were killed have left is removed. The base of an adapter is a folder of its own.

    Args:
        folder: the folder as it is on the machine of the run.
        blocks: give the blocks of its files.

    Raises:
        InputError: the folder cannot be written, or what has arrived is something else.
    """
    place = _place()
    _remove_unused(place)
    target = place / folder.digest
    lock = os.open(place / f"{folder.digest}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    arrived = ModelFolder(str(target), folder.files)
    try:
        while True:
            fcntl.flock(lock, fcntl.LOCK_SH)
            if (target / _WHOLE).exists():
                return Unpacked(arrived, lock)
            # Between the two locks another process may write the folder, or remove it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (target / _WHOLE).exists():
                shutil.rmtree(target, ignore_errors=True)
                _write(folder, target, blocks)
                compare(arrived)
                (target / _WHOLE).touch()
    except OSError as error:
        os.close(lock)
        raise InputError(f"cannot write the model into {target}: {error.strerror or error}") from error
    except BaseException:
        os.close(lock)
        raise


def _place() -> Path:
    """The folder of this user for models that were sent."""
    place = Path(tempfile.gettempdir()) / f"restmcts-models-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise InputError(f"{place} belongs to somebody else: set TMPDIR in cluster.environment")
    return place


def _write(folder: ModelFolder, target: Path, blocks: Iterable[Callable[[], bytes]]) -> None:
    left = iter(blocks)
    for name, file in folder.files.items():
        path = target / name
        if not path.resolve().is_relative_to(target.resolve()):
            raise InputError(f"{name!r} leads out of the folder of the model")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as output:
            for _ in range(_blocks(file.bytes)):
                output.write(next(left)())


def _remove_unused(place: Path) -> None:
    """Remove the folders that no process holds the lock of."""
    for path in place.glob("*.lock"):
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        except BlockingIOError:
            continue  # somebody uses it
        finally:
            os.close(lock)


def _blocks(size: int) -> int:
    return -(-size // BLOCK)
