"""Bookmarks in a replay: moments that a reader wants to find again, with a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from store.index.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A note about the moment after ``position`` events."""

    position: int
    note: str


class Bookmarks(Protocol):
    """Where the bookmarks of trees are kept; trees are named ``<phase>/<number>``. Worker threads ask it."""

    def of(self, reader: StoreReader, run: str, tree: str) -> tuple[Bookmark, ...]:
        """The bookmarks of a tree, by position. Raises :class:`~store.errors.RestmctsError`."""

    def add(self, reader: StoreReader, run: str, tree: str, bookmark: Bookmark) -> None:
        """Keep a bookmark. Raises :class:`~store.errors.RestmctsError`."""


class SessionBookmarks:
    """Bookmarks that last as long as the application runs."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], list[Bookmark]] = {}

    def of(self, reader: StoreReader, run: str, tree: str) -> tuple[Bookmark, ...]:
        """The bookmarks of a tree, by position."""
        return tuple(sorted(self._kept.get((run, tree), ()), key=lambda bookmark: bookmark.position))

    def add(self, reader: StoreReader, run: str, tree: str, bookmark: Bookmark) -> None:
        """Keep a bookmark."""
        self._kept.setdefault((run, tree), []).append(bookmark)
