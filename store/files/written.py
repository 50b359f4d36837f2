"""What open phases have written so far, for the lines of the journal that end them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from store.files.atomic import sync_path, writing
from store.files.fingerprints import Digest, Fingerprint, fingerprint_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from store.files.layout import RunLayout


class Written:
    """The rows and the checkpoint files of open phases, by the names of the phases."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._rows: dict[str, dict[str, Digest]] = {}
        self._files: dict[str, dict[str, Fingerprint]] = {}

    def start(self, phase: str) -> None:
        """The phase has written nothing yet."""
        self._rows[phase] = defaultdict(Digest)
        self._files[phase] = {}

    def add_row(self, phase: str, path: Path, data: bytes) -> None:
        """The phase has appended the line ``data`` to a file that phases share."""
        self._rows[phase][path.name].add(data + b"\n")

    def add_files(self, phase: str, folder: Path, files: Mapping[str, Fingerprint]) -> None:
        """The phase has written ``files``, which are named by their paths in ``folder``."""
        name = folder.relative_to(self._layout.folder).as_posix()
        self._files[phase] |= {f"{name}/{path}": found for path, found in files.items()}

    def fingerprints(self, phase: str) -> dict[str, Any]:
        """The fingerprints of the files of a phase and of its rows, as fields of a line of the journal.

        Raises:
            StoreError: a file cannot be read, or its name not forced to the disk.
        """
        files = dict(self._files[phase])
        layout = self._layout
        for path in (layout.trees(phase), layout.samples(phase), layout.judgements(phase)):
            if path.exists():
                with writing(path):
                    sync_path(path.parent)
                files[path.relative_to(layout.folder).as_posix()] = fingerprint_file(path)
        rows = {name: digest.fingerprint(lines=True) for name, digest in sorted(self._rows[phase].items())}
        return {
            "files": {path: files[path].to_row() for path in sorted(files)},
            "rows": {name: found.to_row() for name, found in rows.items()},
        }
