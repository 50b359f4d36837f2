"""The line files that a writer has open."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from store.files.atomic import replace_file
from store.files.jsonl import LineWriter, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class OpenFiles:
    """Line files by their paths.

    Methods raise :class:`~store.errors.StoreError` when a file cannot be written.
    """

    def __init__(self) -> None:
        self._files: dict[Path, LineWriter] = {}

    def open(self, path: Path) -> LineWriter:
        """The file, opened if it is not; then a torn last line is cut off."""
        if path not in self._files:
            self._files[path] = LineWriter(path)
        return self._files[path]

    def close(self, path: Path) -> None:
        """Force a file to the disk and let go of it, as it is about to be replaced."""
        file = self._files.get(path)
        if file is not None:
            file.sync()
            file.close()
            del self._files[path]

    def drop_rows(self, path: Path, unwanted: Callable[[Any], bool]) -> None:
        """Take rows out of a file, which is replaced where it has such rows."""
        if any(unwanted(row) for _, row in read_rows(path)):
            self.close(path)
            replace_file(path, (line.data + b"\n" for line, row in read_rows(path) if not unwanted(row)))

    def sync(self) -> None:
        """Force everything to the disk."""
        for file in self._files.values():
            file.sync()

    def close_all(self) -> None:
        """Force everything to the disk and let go of all files, also where that fails."""
        with ExitStack() as stack:
            for file in self._files.values():
                stack.callback(file.close)
        self._files.clear()
