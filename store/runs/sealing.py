"""The order of the searches in the file of a phase that is done: by their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.encoding.searches import search_id
from store.errors import StoreError
from store.files.jsonl import read_at, read_rows
from store.index.tables import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where the line of a search lies in a file: from byte ``start`` to byte ``end``."""

    number: int
    start: int
    end: int


def places(path: Path) -> list[Place]:
    """Where the searches of a phase lie, in the order of its file ``path``.

    Raises:
        StoreError: a line cannot be read, is no search of the phase, or is there twice.
    """
    found: dict[int, Place] = {}
    for line, row in read_rows(path):
        where = f"{path}:{line.number}"
        number = number_of(_identified(row, where), path.stem, where)
        if number in found:
            raise StoreError(f"{where}: tree {path.stem}/{number} is there twice; delete this line")
        found[number] = Place(number, line.offset, line.end)
    return list(found.values())


def content(path: Path, place: Place) -> bytes:
    """The line at a place, with its newline."""
    data = read_at(path, place.start, place.end - place.start)
    if data is None:
        raise StoreError(f"{path} became shorter while it was read; start the run again")
    return data


def new_offsets(ordered: list[Place]) -> Iterator[tuple[int, int]]:
    """Where the lines lie once they are in this order: (offset, number of the search)."""
    offset = 0
    for place in ordered:
        yield offset, place.number
        offset += place.end - place.start


def _identified(row: Any, where: str) -> str:
    found = search_id(row)
    if found is None:
        raise StoreError(f"{where}: no search of this program; restore the file or delete the line")
    return found
