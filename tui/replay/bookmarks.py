"""Bookmarks in a replay: moments that a reader wants to find again, kept as notes of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.files.layout import RunLayout
from store.runs.notes import add_note

if TYPE_CHECKING:
    from store.index.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A note about the moment after ``position`` events."""

    position: int
    note: str


def read_bookmarks(reader: StoreReader, run: str, tree: str) -> tuple[Bookmark, ...]:
    """The bookmarks of a tree, by position: the notes about one of its moments.

    Raises:
        StoreError: the notes of the run cannot be read.
    """
    found = [note for note in reader.notes(run) if note.tree == tree and note.event is not None]
    marks = [Bookmark(note.event or 0, note.text) for note in found]
    return tuple(sorted(marks, key=lambda bookmark: bookmark.position))


def add_bookmark(reader: StoreReader, run: str, tree: str, bookmark: Bookmark) -> None:
    """Keep a bookmark.

    Raises:
        InputError: the note is empty or too long.
        StoreError: the store cannot be written.
    """
    add_note(RunLayout(reader.root, run), tree, bookmark.note, bookmark.position)
