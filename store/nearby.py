"""What a user may have meant: names that are alike, and stores that lie near a folder."""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from store.files.layout import INDEX, run_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN = 5
"""So many names are listed."""

_LOOKED_AT = 500
"""So many entries of a folder are looked at."""


def alike(name: str, known: Sequence[str]) -> str:
    """A hint for a ``name`` that is none of the ``known`` ones: the nearest, or some that there are."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    if not known:
        return "there is none"
    return f"there is {listed(known)}"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def is_store(folder: Path) -> bool:
    """Whether there is a run or an index in ``folder``."""
    return (folder / INDEX).is_file() or bool(run_names(folder))


def stores_near(root: Path) -> list[Path]:
    """The stores in ``root``, beside it, and in the working directory and the folders in it; some of them."""
    here = Path()
    folders = dict.fromkeys(place for near in (root, here, root.parent) for place in (near, *_folders(near)))
    stores: dict[Path, Path] = {}
    for folder in folders:
        with suppress(OSError):  # a folder that nobody may look into is no place for a hint
            if folder != root and is_store(folder):
                stores.setdefault(folder.resolve(), folder)
    return list(islice(stores.values(), _SHOWN))


def _folders(parent: Path) -> Iterator[Path]:
    with suppress(OSError):  # as above
        entries = sorted(islice(parent.iterdir(), _LOOKED_AT))
        yield from (entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))
