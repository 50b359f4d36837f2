"""Model folders: each is written whole or not at all, and only what this program wrote is replaced."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from store.errors import InputError, StoreError
from store.files.atomic import make_folder, sync_path, write_file, writing
from store.files.exchange import exchange
from store.files.fingerprints import Fingerprint, fingerprint_file, fingerprint_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "restmcts-checkpoint.json"
"""The file that a folder of this program has; it names the other files, with their fingerprints."""

AGAIN = "start the same command again"
_NAMED = 3
_HELD: set[int] = set()
"""The locks of this process. A forked child would keep them when this process is killed, so it lets go."""


def _let_go() -> None:
    while _HELD:
        os.close(_HELD.pop())


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well.

    It is then on the disk, with permissions by the umask and the marker of this program, and survives a power
    failure. When the block fails, or the process ends in it, what was at ``target`` is still there. A folder
    that is there is replaced if this program wrote it, or if it is empty. On Linux, where the file system can
    exchange two names (ext4, xfs, btrfs and tmpfs can), ``target`` is the old folder or the new one at every
    moment. Elsewhere it is neither between two renames: a process that ends there leaves the old folder as
    ``.NAME.old``, and the next writer of ``target`` puts it back first.

    Raises:
        InputError: ``target`` must not be replaced (:func:`check_target`).
        StoreError: it cannot be written, or another process is writing it.
    """
    check_target(target)
    make_folder(target.parent)
    partial = _beside(target, "partial")
    with _alone(target):
        with writing(target, AGAIN):
            _clean_up(target)
            partial.mkdir()
        try:
            yield partial
            with writing(target, AGAIN):
                _finish(partial)
                _put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    with writing(target, AGAIN):
        sync_path(target.parent)  # what was removed beside it stays removed


def find_whole(target: Path) -> bool:
    """Whether ``target`` is a folder of :func:`new_folder`, and every file in it is as it was written.

    What writers that were killed have left is put right before.

    Raises:
        StoreError: another process is writing it, or the disk fails.
    """
    if not target.parent.is_dir():
        return False
    with _alone(target), writing(target, AGAIN):
        _clean_up(target)
    files = marked_files(target)
    if files is None:
        return False
    try:
        found = fingerprint_folder(target)
    except StoreError:
        return False
    return files == {path: fingerprint for path, fingerprint in found.items() if path != MARKER}


def remove_folder(target: Path) -> None:
    """Remove a folder that :func:`new_folder` wrote, and what killed writers have left of it.

    Raises:
        InputError: it holds what this program did not write.
        StoreError: another process is writing it, or the disk fails.
    """
    if not target.parent.is_dir():
        return
    check_target(target)
    partial = _beside(target, "partial")
    with _alone(target), writing(target, AGAIN):
        _clean_up(target)
        if target.exists():
            target.rename(partial)  # a folder without its marker would be taken for somebody else's
            shutil.rmtree(partial)
        sync_path(target.parent)


def check_target(target: Path, source: Path | None = None) -> None:
    """Refuse a folder that must not be replaced, before any work is done for it.

    Args:
        target: the folder to write.
        source: the model folder that is read for it.

    Raises:
        InputError: it has no name of its own, is a link or a file, holds the working folder or anything that
            this program did not write, is ``source`` or related to it, or cannot be written.
    """
    if target.name in ("", ".."):
        raise InputError(f"{target}: name a new folder to write to, not this one, its parent or the root")
    if target.is_symlink():
        raise InputError(f"{target}: is a symbolic link; name the folder itself, or a new one")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; name a new folder")
    here = target.resolve()
    if Path.cwd().is_relative_to(here):
        raise InputError(f"{target}: the working folder lies in it; name a new folder")
    if source is not None:
        read = source.resolve()
        if here.is_relative_to(read) or read.is_relative_to(here):
            raise InputError(
                f"{target}: is the folder of the model {source}, or one of them lies in the other"
            )
    if target.is_dir():
        _check_own(target)
    _check_writable(target)


def model_files(folder: Path) -> dict[str, Fingerprint]:
    """The files of a folder that :func:`new_folder` made, its marker among them, by their paths in it.

    Raises:
        StoreError: it has no marker that can be read.
    """
    files = marked_files(folder)
    if files is None:
        raise StoreError(f"{folder / MARKER}: missing or damaged; write the folder again")
    return {**files, MARKER: fingerprint_file(folder / MARKER)}


def partial_folder(target: Path) -> Path:
    """The folder that :func:`new_folder` gives for ``target``."""
    return _beside(target, "partial")


def target_of(folder: Path) -> Path:
    """What the folder that :func:`new_folder` gives is going to be; another folder as it is."""
    name = folder.name
    partial = name.startswith(".") and name.endswith(".partial")
    return folder.with_name(name[1 : -len(".partial")]) if partial else folder


def leftovers(folder: Path) -> Iterator[str]:
    """What killed writers have left below ``folder``, in words."""
    for path in sorted(folder.rglob(".*")):
        if path.suffix in (".new", ".partial", ".lock"):
            yield f"{path}: left by a writer that was killed; delete it"
        elif path.suffix == ".old":
            name = path.name[1 : -len(".old")]
            yield f"{path}: what was at {name!r} before a writer was killed; rename it or delete it"


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name}.{ending}")


def _check_own(target: Path) -> None:
    known = {*(marked_files(target) or {}), MARKER}
    foreign = [name for name in _names(target) if name not in known]
    if foreign:
        shown = ", ".join(foreign[:_NAMED]) + (", …" if len(foreign) > _NAMED else "")
        raise InputError(
            f"{target}: holds what restmcts did not write ({shown}); name a new or an empty folder"
        )


def _names(folder: Path) -> list[str]:
    """Everything below a folder that is no folder or an empty one."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir())
    ]


def marked_files(folder: Path) -> dict[str, Fingerprint] | None:
    """The files that the marker of a folder names, as they were written; None without a marker."""
    try:
        rows: Any = orjson.loads((folder / MARKER).read_bytes())["files"]
        return {str(path): Fingerprint.from_row(row) for path, row in rows.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _check_writable(target: Path) -> None:
    place = next(folder for folder in target.absolute().parents if folder.exists())
    if not place.is_dir():
        raise InputError(f"{target}: {place} is a file; name a folder elsewhere")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{target}: {place} cannot be written; name a folder elsewhere")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other processes from writing ``target``."""
    path = _beside(target, "lock")
    descriptor = _lock(path, target)
    _HELD.add(descriptor)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the failure under way says more
            path.unlink()
        raise
    else:
        with writing(target, AGAIN):
            path.unlink()
    finally:
        if descriptor in _HELD:
            _HELD.remove(descriptor)
            os.close(descriptor)


def _lock(path: Path, target: Path) -> int:
    while True:
        with writing(target, AGAIN):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                raise StoreError(
                    f"{target} is being written by another process; wait for it, or name another folder"
                ) from error
            except OSError:
                os.close(descriptor)
                raise
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # its last holder has removed this file in between


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _clean_up(target: Path) -> None:
    """Put back or remove what a writer that was killed has left."""
    old = _beside(target, "old")
    if old.is_dir() and not target.exists():
        old.rename(target)
        sync_path(target.parent)
    for path in (old, _beside(target, "partial")):
        if path.exists():
            shutil.rmtree(path)


def _finish(folder: Path) -> None:
    """Force a folder to the disk, with its marker, and with permissions as new files have them."""
    mode = folder.stat().st_mode & 0o666
    files = fingerprint_folder(folder)
    content = {"format": 1, "files": {path: found.to_row() for path, found in files.items()}}
    write_file(folder / MARKER, [orjson.dumps(content, option=orjson.OPT_INDENT_2), b"\n"])
    for path in folder.rglob("*"):
        if not path.is_dir():
            path.chmod(mode)
        sync_path(path)
    sync_path(folder)


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
    elif not exchange(partial, target):
        _swap(partial, target)
    sync_path(target.parent)
    for path in (partial, _beside(target, "old")):
        if path.exists():
            shutil.rmtree(path)


def _swap(partial: Path, target: Path) -> None:
    """Replace ``target`` in two steps."""
    old = _beside(target, "old")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
