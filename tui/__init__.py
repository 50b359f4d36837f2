"""Looking at a store: browse runs and replay search trees in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


def run(root: Path, what: str | None = None) -> int:
    """Open the store at ``root`` in the terminal until the user quits.

    Starts at all runs, or at what ``what`` names: ``RUN``, ``RUN/PHASE`` or ``RUN/PHASE/NUMBER``.

    Returns:
        The exit code: 0, or another number where the application broke down.

    Raises:
        InputError: there is no such folder, run, phase or tree.
        StoreError: the store cannot be read.
    """
    from store.index.names import find
    from store.index.reader import StoreReader
    from tui.app import StoreApp

    with StoreReader(root) as reader:
        reader.version()
        found = None if what is None else find(reader, what)
        if found is None:
            app = StoreApp(reader)
        else:
            app = StoreApp(reader, found.run, found.tree, phase=found.phase)
        app.run()
        return app.return_code or 0
