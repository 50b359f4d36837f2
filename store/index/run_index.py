"""The index as the writer of a run uses it: a cache, whose failures end nothing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from store.errors import BusyError, StoreError
from store.index.holders import LONG, SHORT
from store.index.index import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from store.files.layout import RunLayout
    from store.index.tables import Source

PATIENCE = 5.0
"""For how many seconds another program may hold the index before the user hears of it."""

OFTEN = 2.0
"""How many seconds the index may be behind while a phase measures."""

_SHOWN = 3
"""How many lines of files that make no sense are named; the check names all of them."""


class RunIndex:
    """Keeps the index up to date with one run, as far as it can be written.

    A failure is told once, through ``note``; the files are whole without an index, and the next call takes in
    what is missing. Any thread may call it.

    Args:
        layout: the files of the run.
        note: is told what the user should know, in one line.
    """

    def __init__(self, layout: RunLayout, note: Callable[[str], None]) -> None:
        self._run = layout.run
        self._index = Index(layout.root)
        self._note = note
        self._mutex = threading.Lock()
        self._behind_since: float | None = None
        self._told = False
        self._synced_at = time.monotonic()

    def sync_soon(self) -> None:
        """Bring the index up to date if that was long ago, for those who watch."""
        if time.monotonic() - self._synced_at > OFTEN:
            self.sync()

    def sync(self, *, last: bool = False, optimize: bool = False) -> list[str]:
        """Bring the index up to date.

        Args:
            last: nothing is left to do for this run, so that other programs are waited for.
            optimize: many rows are new, so that the planner of queries should look at the tables again.

        Returns:
            One line for each line of a file that makes no sense, which the index leaves out.
        """
        self._synced_at = time.monotonic()
        try:
            findings = self._index.sync(self._run, LONG if last else SHORT, optimize=optimize)
        except StoreError as error:
            self._failed(error, last)
            return []
        with self._mutex:
            self._behind_since = None
        for finding in findings[:_SHOWN]:
            self._note(f"{finding}; the index leaves this line out")
        if len(findings) > _SHOWN:
            self._note(f"{len(findings) - _SHOWN} more such lines: `restmcts store check` names them")
        return findings

    def relocate(self, moved: Source, before: int, offsets: Iterable[tuple[int, int]]) -> None:
        """The lines of a trees file were put in another order; see :meth:`Index.relocate`."""
        try:
            self._index.relocate(moved, before, offsets, SHORT)
        except StoreError as error:
            self._failed(error, last=False)

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()

    def _failed(self, error: StoreError, last: bool) -> None:
        with self._mutex:
            now = time.monotonic()
            if self._behind_since is None:
                self._behind_since = now
            passing = isinstance(error, BusyError) and not last and now - self._behind_since < PATIENCE
            if passing or self._told:
                return
            self._told = True
        self._note(f"{error}; the run goes on without its index, which catches up later")
