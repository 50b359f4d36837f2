"""Taking a run out of a store, into a folder from which it can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.errors import InputError
from store.files.atomic import make_folder, sync_path, writing
from store.files.layout import TRASH, RunLayout
from store.files.lock import RunLock
from store.files.plain import check_place, is_plain_folder
from store.index.index import Index

if TYPE_CHECKING:
    from pathlib import Path


def delete_run(root: Path, run: str) -> Path:
    """Move a run into the folder ``.trash`` of its store, and forget it in the index.

    Returns:
        Where the run is now.

    Raises:
        InputError: there is no such run.
        BusyError: another program holds the index, which still knows the run.
        StoreError: a process writes the run, or the store cannot be written.
    """
    layout = RunLayout(root, run)
    if not is_plain_folder(layout.plain(layout.folder)):
        raise InputError(f"no run {run!r} in {root}")
    trash = check_place(root, root / TRASH)
    target = trash / f"{run}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    lock = RunLock.take(layout.folder)
    try:
        make_folder(trash)
        with writing(target, "delete it again"):
            layout.folder.rename(target)
            sync_path(trash)
            sync_path(layout.folder.parent)
    finally:
        lock.release()
    index = Index(root)
    try:
        index.sync(run)
    finally:
        index.close()
    return target
