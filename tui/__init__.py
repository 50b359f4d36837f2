"""Looking at a store: browse runs and replay search trees in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from store.index.reader import StoreReader

__all__ = ["check", "run"]


def run(root: Path, run: str | None = None, tree: str | None = None) -> None:
    """Open the store at ``root`` in the terminal until the user quits.

    Starts at the runs, at the trees of ``run``, or at the replay of ``tree`` (``<phase>/<number>`` in
    ``run``, or ``<run>/<phase>/<number>`` without one).

    Raises:
        InputError: there is no such folder, run or tree.
        StoreError: the store cannot be read.
    """
    from store.index.reader import StoreReader
    from tui.app import StoreApp

    if tree is not None and run is None:
        run, _, tree = tree.partition("/")
    with StoreReader(root) as reader:
        _check(reader, run, tree)
        StoreApp(reader, run, tree).run()


def check(root: Path, run: str | None = None, tree: str | None = None) -> None:
    """Look whether :func:`run` would open; it raises the same errors."""
    from store.index.reader import StoreReader

    with StoreReader(root) as reader:
        _check(reader, run, tree)


def _check(reader: StoreReader, run: str | None, tree: str | None) -> None:
    reader.version()
    if run is not None:
        reader.run(run)
    if run is not None and tree is not None:
        reader.record(run, tree)
