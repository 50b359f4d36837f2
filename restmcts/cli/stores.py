"""The store that a command was told to read: what is said when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restmcts.errors import InputError
from store.nearby import is_store, listed, stores_near

if TYPE_CHECKING:
    from pathlib import Path


def check_store(root: Path) -> None:
    """Refuse a folder that is no store; an empty one may become one.

    Raises:
        InputError: there is no such folder, or it holds other things than runs.
    """
    if root.is_dir() and (is_store(root) or not any(root.iterdir()) or (root / "runs").is_dir()):
        return
    problem = f"{root}: {'no store: there is no run in it' if root.is_dir() else 'no such folder'}"
    near = [str(folder) for folder in stores_near(root)]
    there = f" (near: {listed(near)})" if near else ""
    raise InputError(
        f"{problem}; name the folder of a store by --root or RESTMCTS_ROOT{there};"
        " `restmcts iterate tiny` makes one"
    )
