"""Runs that come into a store: written beside its runs, and put among them when they are whole."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from store.errors import BusyError, StoreError
from store.files.atomic import make_folder, replace_file, sync_path, writing
from store.files.fingerprints import fingerprint_file, visible_files
from store.files.journal import read_journal
from store.files.layout import MERGING, RUNS, RunLayout, merging_lock
from store.files.lock import LOCK, exclusive
from store.files.plain import check_place, is_plain_folder, read_blocks
from store.files.verification import check_whole
from store.index.run_index import RunIndex
from store.merging.pieces import check_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.files.fingerprints import Fingerprint

AGAIN = "merge again"


@contextmanager
def arrivals(root: Path) -> Iterator[Path]:
    """A folder in the store at ``root`` to write runs into, as into a store; removed at the end.

    What a process that was killed has left there is removed first.

    Raises:
        StoreError: another process has it, or it cannot be written.
    """
    make_folder(root)
    folder = check_place(root, root / MERGING)
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(merging_lock(root), 0.0))
        except BusyError:
            message = f"{root}: another process merges runs into this store; wait for it"
            raise StoreError(message) from None
        with writing(folder, AGAIN):
            if folder.exists():
                shutil.rmtree(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def is_there(layout: RunLayout) -> bool:
    """Whether a store has a run of this name."""
    return is_plain_folder(layout.plain(layout.folder))


def put_in_place(written: RunLayout, target: RunLayout, note: Callable[[str], None]) -> None:
    """Put a run that is written whole into its store, where it has no namesake, and into the index.

    Raises:
        StoreError: that is not so, or the store cannot be written.
    """
    check_place(target.root, target.root / RUNS)
    make_folder(target.folder.parent)
    with writing(target.folder, AGAIN):
        written.folder.rename(target.folder)
        sync_path(target.folder.parent)
    index_run(target, note)


def index_run(layout: RunLayout, note: Callable[[str], None]) -> None:
    """Bring the index up to date with a run, as far as it can be written."""
    index = RunIndex(layout, note)
    try:
        index.sync(last=True, optimize=True)
    finally:
        index.close()


def held(layout: RunLayout) -> dict[str, Fingerprint]:
    """Everything that a run holds, by the paths in its folder, but what is about its writer.

    Raises:
        StoreError: a file cannot be read.
    """
    files = visible_files(layout.folder)
    own = {layout.folder / LOCK, layout.progress}
    return {
        path.relative_to(layout.folder).as_posix(): fingerprint_file(path)
        for path in files
        if path not in own
    }


def copy_run(source: RunLayout, target: RunLayout) -> None:
    """Copy a run into a folder that is not there.

    Raises:
        StoreError: the run is being written, a file is not as it was written or holds another content now, or
            the copy cannot be written.
    """
    check_at_rest(source)
    check_whole(source, read_journal(source))
    for path, known in held(source).items():
        found = replace_file(target.folder / path, read_blocks(source.folder / path))
        if known.difference(found) is not None:
            raise StoreError(f"{source.folder / path} changed while it was copied; merge again")
    check_at_rest(source)
