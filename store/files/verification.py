"""Is what is stored what was written? Compares the files of a run with the fingerprints in its journal."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.files.fingerprints import Digest, Fingerprint, fingerprint_file, visible_files
from store.files.inputs import WEIGHTS
from store.files.journal import Finished
from store.files.jsonl import parse_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.files.journal import Journal, Phase
    from store.files.layout import RunLayout

CHECKPOINTS = "checkpoints/"
_NOTHING = Digest().fingerprint(lines=True)


class Verifier:
    """Refuses to go on with what was damaged."""

    def __init__(self, layout: RunLayout, journal: Journal) -> None:
        self._layout = layout
        self._journal = journal
        self._compared: set[str] = set()

    def at_start(self) -> list[str]:
        """Compare every finished file; of weights, the size alone.

        Returns:
            The checkpoints that are gone as a whole, in words; they are missed by those who ask for them.

        Raises:
            StoreError: another file is missing, or a file is another one.
        """
        if self._journal.numbered or not self._journal.lines:  # before, a power failure could do that
            for finding in unknown_phases(self._layout, self._journal):
                raise _damaged(finding)
        for finding in damaged_files(self._layout, self._journal):
            raise _damaged(finding)
        for finding in damaged_rows(self._layout, self._journal):
            raise _damaged(finding)
        notes = []
        for name, files in checkpoint_folders(self._journal).items():
            missing = missing_checkpoint(self._layout, name, files)
            if missing is not None:
                notes.append(missing)
                continue
            for finding in damaged_checkpoint(self._layout, name, files, read=False):
                raise _damaged(finding)
        return notes

    def checkpoint(self, name: str) -> None:
        """Compare the files of a checkpoint that the journal knows, once.

        Raises:
            StoreError: one is missing, or is another one.
        """
        files = checkpoint_folders(self._journal).get(name)
        if files is None or name in self._compared:
            return
        missing = missing_checkpoint(self._layout, name, files)
        if missing is not None:
            raise StoreError(missing)
        for finding in damaged_checkpoint(self._layout, name, files, read=True):
            raise _damaged(finding)
        self._compared.add(name)


def _damaged(finding: str) -> StoreError:
    return StoreError(f"{finding} (`restmcts store check` names everything that is damaged)")


def damaged_files(layout: RunLayout, journal: Journal) -> Iterator[str]:
    """Every file but those of checkpoints that is finished and is not what was written, in words."""
    for finished in journal.finished_files():
        if not finished.path.startswith(CHECKPOINTS):
            yield from _compare(layout.folder, finished)


def check_whole(layout: RunLayout, journal: Journal) -> None:
    """Compare everything that a run has finished with what was written, weights too.

    A checkpoint folder that is gone as a whole is no damage: old ones may be deleted.

    Raises:
        StoreError: a file is missing, or is another one.
    """
    verifier = Verifier(layout, journal)
    verifier.at_start()
    for name in checkpoint_folders(journal):
        if (layout.folder / name).is_dir():
            verifier.checkpoint(name)


def unknown_phases(layout: RunLayout, journal: Journal) -> Iterator[str]:
    """Every file of trees, and every shared file, that is of a phase which the journal does not know."""
    gone = f"{layout.phases} does not know; restore that file from a copy"
    for path in sorted((layout.folder / "trees").glob("*.jsonl")):
        if path.stem not in journal.phases and path.stat().st_size:
            yield f"{path}: trees of a phase that {gone}"
    for path in layout.shared:
        for phase in sorted(_rows_by_phase(path).keys() - journal.phases):
            yield f"{path}: rows of phase {phase!r}, which {gone}"


def damaged_rows(layout: RunLayout, journal: Journal) -> Iterator[str]:
    """Every phase that is done and whose rows in a shared file are not those that it wrote, in words."""
    done = [phase for phase in journal.phases.values() if phase.rows is not None]
    for path in layout.shared:
        found = _rows_by_phase(path)
        for phase in done:
            difference = _known_rows(phase, path).difference(found.get(phase.name, _NOTHING))
            if difference is not None:
                yield (
                    f"{path}: the rows of phase {phase.name!r} are not those that it wrote ({difference});"
                    " restore the file from a copy"
                )


def _known_rows(phase: Phase, path: Path) -> Fingerprint:
    return (phase.rows or {}).get(path.name, _NOTHING)


def _rows_by_phase(path: Path) -> dict[str, Fingerprint]:
    digests: dict[str, Digest] = defaultdict(Digest)
    for line, row in parse_lines(path):
        phase = row.get("phase") if type(row) is dict else None
        if type(phase) is str:
            digests[phase].add(line.data + b"\n")
    return {phase: digest.fingerprint(lines=True) for phase, digest in digests.items()}


def checkpoint_folders(journal: Journal) -> dict[str, list[Finished]]:
    """The files of finished checkpoints by their folders, which are named as in results."""
    folders: dict[str, list[Finished]] = defaultdict(list)
    for finished in journal.finished_files():
        if finished.path.startswith(CHECKPOINTS):
            folders["/".join(PurePosixPath(finished.path).parts[:3])].append(finished)
    return dict(folders)


def damaged_checkpoint(layout: RunLayout, name: str, files: list[Finished], *, read: bool) -> Iterator[str]:
    """What is wrong with a checkpoint folder that is there, in words.

    Args:
        layout: the run.
        name: the folder, relative to the run.
        files: what was written.
        read: compare the content of weights too, and not their sizes alone.
    """
    folder = layout.folder / name
    known = {layout.folder / finished.path for finished in files}
    for finished in files:
        weights = finished.path.endswith(WEIGHTS)
        yield from _compare(layout.folder, finished, read=read or not weights)
    for path in visible_files(folder):
        if path not in known:
            yield f"{path}: {files[0].writer} did not write it; move it away"


def missing_checkpoint(layout: RunLayout, name: str, files: list[Finished]) -> str | None:
    """That a whole checkpoint folder is gone, in words; None where it is there."""
    folder = layout.folder / name
    if folder.is_dir():
        return None
    return f"{folder}: the checkpoint of {files[0].writer} is gone; restore it from a copy"


def _compare(folder: Path, finished: Finished, *, read: bool = True) -> Iterator[str]:
    path, known = folder / finished.path, finished.fingerprint
    if not path.exists():
        yield f"{path}: missing; {finished.writer} wrote it: restore it from a copy"
        return
    if not read and path.is_file() and path.stat().st_size == known.bytes:
        return
    try:
        difference = known.difference(fingerprint_file(path))
    except StoreError as error:
        yield str(error)
        return
    if difference is not None:
        yield f"{path}: not as {finished.writer} wrote it ({difference}); restore it from a copy"
