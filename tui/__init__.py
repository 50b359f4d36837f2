"""Looking at a store: browse runs and replay search trees in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


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
        reader.version()
        if run is not None:
            reader.run(run)
        if run is not None and tree is not None:
            reader.record(run, tree)
        StoreApp(reader, run, tree).run()
