"""The store that a command was told to read: what is said when there is none, and its index made ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restmcts.errors import InputError
from store.index.reader import StoreReader
from store.nearby import is_store, listed, stores_near

if TYPE_CHECKING:
    from pathlib import Path


def check_store(root: Path) -> None:
    """Refuse a folder that is no store; an empty one may become one.

    Raises:
        InputError: there is no such folder, or it holds other things than runs.
    """
    if root.is_dir() and (is_store(root) or not any(root.iterdir()) or (root / "runs").is_dir()):
        return
    problem = f"{root}: {'no store: there is no run in it' if root.is_dir() else 'no such folder'}"
    near = [str(folder) for folder in stores_near(root)]
    there = f" (near: {listed(near)})" if near else ""
    raise InputError(
        f"{problem}; name the folder of a store by --root or RESTMCTS_ROOT{there};"
        " `restmcts iterate tiny` makes one"
    )


def open_store(root: Path) -> StoreReader:
    """The store at ``root``, for reading; with a note where its runs have to be read again first.

    Raises:
        InputError: it is no store.
        StoreError: the index cannot be made ready.
    """
    make_ready(root)
    return StoreReader(root)


def make_ready(root: Path) -> None:
    """Bring the index of the store at ``root`` up to date if an older version has made it, with a note.

    Raises:
        InputError: it is no store.
        StoreError: the index cannot be made ready.
    """
    from restmcts.cli.output.text import note
    from store.index.upgrade import upgrade_index

    check_store(root)
    upgrade_index(root, note)
