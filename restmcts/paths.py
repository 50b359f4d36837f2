"""Paths as users write them, made independent of where the program runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from restmcts.errors import InputError


def expanded(path: Path) -> Path:
    """A path with the home folder for ``~``. Raises :class:`InputError` if there is no such home folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {error}") from error


def located(name: str, folder: Path | None = None) -> str:
    """The absolute form of a path; ``~`` is the home folder, and links stay links.

    Args:
        name: the path.
        folder: the folder of the file that the path was read from. A relative path is relative to this
            folder, or to the working directory if it is there alone. None: to the working directory.

    Raises:
        InputError: both places have it, and it is not the same; or it cannot be stored as text.
    """
    path = expanded(Path(name))
    here = _whole(path)
    chosen = here if folder is None else _whole(folder / path)
    if chosen != here and here.exists():
        if not chosen.exists():
            chosen = here
        elif not chosen.samefile(here):
            raise InputError(f"{name} may be {chosen} or {here}: write the whole path")
    return text_of(chosen)


def with_path(table: dict[str, Any], key: tuple[str, ...], folder: Path | None) -> dict[str, Any]:
    """The table with the absolute form of the path that stands at ``key``, if there is one.

    Args:
        key: the names of the tables on the way, and of the path.
        folder: what a relative path is relative to; see :func:`located`.
    """
    value = table.get(key[0])
    if len(key) == 1:
        return {**table, key[0]: located(value, folder)} if isinstance(value, str) else table
    return {**table, key[0]: with_path(value, key[1:], folder)} if isinstance(value, dict) else table


def text_of(path: Path | str) -> str:
    """A path as text that can be stored.

    Raises:
        InputError: it has bytes that are no UTF-8.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{path!s}: this path is no UTF-8: rename the file or its folder") from None
    return str(path)


def _whole(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))
