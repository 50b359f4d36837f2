"""Looking at a store: browse runs and replay search trees in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from store.index.names import Found
    from store.index.reader import StoreReader

__all__ = ["check", "run"]


def run(root: Path, what: str | None = None) -> int:
    """Open the store at ``root`` in the terminal until the user quits.

    Starts at all runs, or at what ``what`` names: ``RUN``, ``RUN/PHASE`` or ``RUN/PHASE/NUMBER``.

    Returns:
        The exit code: 0, or another number where the application broke down.

    Raises:
        InputError: there is no such folder, run, phase or tree.
        StoreError: the store cannot be read.
    """
    from store.index.reader import StoreReader
    from tui.app import StoreApp
    from tui.remembered import ThemeMemory, theme_file

    memory = ThemeMemory(theme_file())
    with StoreReader(root) as reader:
        found = _found(reader, what)
        if found is None:
            app = StoreApp(reader, memory=memory)
        else:
            app = StoreApp(reader, found.run, found.tree, phase=found.phase, memory=memory)
        app.run()
        return app.return_code or 0


def check(root: Path, what: str | None = None) -> None:
    """Look whether :func:`run` would open; it raises the same errors."""
    from store.index.reader import StoreReader

    with StoreReader(root) as reader:
        _found(reader, what)


def _found(reader: StoreReader, what: str | None) -> Found | None:
    """What is named in a store that can be read."""
    from store.index.names import find

    reader.version()
    return None if what is None else find(reader, what)
