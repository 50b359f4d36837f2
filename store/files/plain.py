"""Plain files and folders alone: nothing in a store is followed out of it.

A store may come from somebody else. A link in it would lead to files of whoever reads the store, and a pipe
would keep a command waiting for ever. So a link, a pipe and a device below the root of a store is refused;
the root itself may be a link.
"""

from __future__ import annotations

import os
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_BLOCK = 1 << 20


def leads_out(path: str) -> bool:
    """Does ``path``, which should be relative to a run, lead out of it, or nowhere?"""
    parts = PurePosixPath(path).parts
    return not parts or path.startswith("/") or ".." in parts or "\0" in path


def open_plain(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of the file ``path``, as :func:`os.open` gives it.

    Raises:
        StoreError: something that is no file is there, such as a link; it is neither followed nor opened.
        OSError: the file cannot be opened.
    """
    try:
        _expect(path, path.lstat().st_mode, stat.S_IFREG)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        _expect(path, os.fstat(descriptor).st_mode, stat.S_IFREG)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_plain(path: Path) -> bytes:
    """The content of the file ``path``; raises what :func:`open_plain` raises."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        return file.read()


def read_blocks(path: Path) -> Iterator[bytes]:
    """The content of the file ``path`` in pieces of a megabyte; raises what :func:`open_plain` raises."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def is_plain(path: Path) -> bool:
    """Is a file there, and no link to one?"""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_plain_folder(path: Path) -> bool:
    """Is a folder there, and no link to one?"""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def plain_files(folder: Path, pattern: str) -> list[Path]:
    """The files of ``folder`` that match ``pattern``, sorted; none where there is no such folder."""
    if not is_plain_folder(folder):
        return []
    return sorted(path for path in folder.glob(pattern) if is_plain(path))


def check_place(root: Path, path: Path) -> Path:
    """Return ``path``, a place below ``root``, if no link lies on the way to it.

    Raises:
        StoreError: one does, or ``path`` is itself neither a file nor a folder. What is missing is fine.
    """
    place = root
    for part in path.relative_to(root).parts:
        place = place / part
        try:
            mode = place.lstat().st_mode
        except OSError:
            break
        _expect(place, mode, stat.S_IFDIR if place != path or stat.S_ISDIR(mode) else stat.S_IFREG)
    return path


def check_tree(root: Path, folder: Path) -> None:
    """Refuse ``folder``, a place below ``root``, if anything in it is neither a file nor a folder.

    Raises:
        StoreError: names the first such place.
    """
    check_place(root, folder)
    for finding in oddities(folder):
        raise StoreError(finding)


def oddities(folder: Path) -> Iterator[str]:
    """One line for everything in ``folder``, at any depth, that is neither a file nor a folder."""
    waiting = [folder] if is_plain_folder(folder) else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue  # what cannot be listed cannot be followed either, and whoever opens it says why
        for entry in found:
            place = folder / os.path.relpath(entry.path, folder)
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                waiting.append(place)
            elif not stat.S_ISREG(mode):
                yield _refusal(place, mode)


def _expect(path: Path, mode: int, wanted: int) -> None:
    if stat.S_IFMT(mode) != wanted:
        raise StoreError(_refusal(path, mode))


def _refusal(path: Path, mode: int) -> str:
    kind = _KINDS.get(stat.S_IFMT(mode), "no file")
    return f"{path}: {kind}, which a store does not hold and which is not followed; delete it or move it away"
