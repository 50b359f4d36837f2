"""Opens a store to read it, after its index was brought up to date where an older version has made it."""

from __future__ import annotations

from pathlib import Path

from store.index.reader import StoreReader


def open_store(root: Path) -> StoreReader:
    """The store at ``root``, for reading; with a note where its runs have to be read again first.

    Raises:
        InputError: ``root`` is no folder.
        StoreError: the index cannot be made ready.
    """
    reader = StoreReader(root)
    make_ready(root)
    return reader


def make_ready(root: Path) -> None:
    """Bring the index of the store at ``root`` up to date if an older version has made it, with a note.

    Raises:
        StoreError: the index cannot be made ready.
    """
    from restmcts.cli.text import note
    from store.index.upgrade import upgrade_index

    upgrade_index(root, note)
