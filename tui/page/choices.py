"""Why a search went where it went: what each level of a selection compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.answer_constants import constants_of
from store.posterior import shares
from store.selection import Candidate, candidates
from tui.page.texts import short

if TYPE_CHECKING:
    from store.answer_constants import AnswerConstants
    from store.events import Header, SearchRecord, Selected
    from store.tree import Node, Tree

POSTERIOR = "posterior-search"
"""The method that goes where a step most likely changes the answer."""

MOST_CHILDREN = 30
"""Children of a level that are listed; sampling methods have roots with thousands."""

MOST_LEVELS, LEAST_LEVELS = 40, 3
"""Levels of a selection that are listed: fewer where there are many selections, see :data:`ALL_LEVELS`."""

ALL_LEVELS = 20_000
"""Levels that all selections together may list, so that the page of a deep tree can be opened."""


class Choices:
    """Describes the selections of one search.

    Attributes:
        terms: what the levels compare: ``exploration`` (V + c·√(2 ln N↑/N)), ``posterior`` (the share of each
            child and of the steps that were not drawn), or None: the method has not said.
    """

    def __init__(self, record: SearchRecord, selections: int) -> None:
        """``selections`` is how many there are.

        Raises:
            StoreError: the constants of the answer rules are damaged.
        """
        header = record.header
        exploration, bonus = _setting(header, "exploration"), _setting(header, "unvisited_bonus")
        self._exploration = None if exploration is None or bonus is None else (exploration, bonus)
        self._constants = constants_of(header.settings) if header.method == POSTERIOR else None
        self._levels = min(MOST_LEVELS, max(LEAST_LEVELS, ALL_LEVELS // max(1, selections)))
        self.terms = "exploration" if self._exploration else "posterior" if self._constants else None

    def describe(self, tree: Tree, event: Selected) -> dict[str, Any]:
        """The levels from the root down at which there was a choice; ``tree`` is the tree at the event."""
        way = [tree.root, *tree.path(event.node)]
        turns = [
            (above, below)
            for above, below in zip(way, [*way[1:], None], strict=True)
            if len(above.children) > (1 if below is not None else 0)
        ]
        if self._constants is None:
            turns = [(above, below) for above, below in turns if below is not None]
        levels = [self._level(tree, event, above, below) for above, below in turns[: self._levels]]
        found: dict[str, Any] = {"levels": levels}
        if len(turns) > len(levels):
            found["more"] = len(turns) - len(levels)
        if event.running:
            found["running"] = len(event.running)
        return found

    def _level(self, tree: Tree, event: Selected, above: Node, below: Node | None) -> dict[str, Any]:
        """One level: its parent, the child that was taken (None: a new step) and what was compared."""
        found: dict[str, Any] = {"parent": above.id, "taken": None if below is None else below.id}
        if self._constants is not None:
            rows, found["undrawn"] = _shared(tree, above, self._constants)
        elif self._exploration is not None:
            rows = candidates(tree, above, *self._exploration, event)
        else:
            rows = [Candidate(child.id, child.value, child.visits) for child in tree.children(above.id)]
        if self.terms == "exploration" and below is not None:
            found |= _margin(rows, below.id)
        shown = _first(rows, found["taken"])
        found["rows"] = [_row(row) for row in shown]
        if len(rows) > len(shown):
            found["more"] = len(rows) - len(shown)
        closed = set(event.exhausted)
        if closed:
            found["closed"] = [row.node for row in shown if row.node in closed]
        return found


def _setting(header: Header, name: str) -> float | None:
    setting = header.settings.get(name)
    return float(setting) if isinstance(setting, int | float) else None


def _shared(tree: Tree, above: Node, constants: AnswerConstants) -> tuple[list[Candidate], float]:
    """The children with their shares as the sum, and the share of the steps that were not drawn."""
    divided = shares(tree, above, constants)
    pairs = zip(tree.children(above.id), divided.children, strict=True)
    rows = [Candidate(child.id, child.value, child.visits, None, share) for child, share in pairs]
    return rows, short(divided.undrawn)


def _margin(rows: list[Candidate], taken: int) -> dict[str, Any]:
    """By how much the child that was taken leads, and before which other one."""
    own = next((row.total for row in rows if row.node == taken), None)
    others = [row for row in rows if row.total is not None and row.node != taken]
    if own is None or not others:
        return {}
    next_one = max(others, key=lambda row: row.total or 0.0)
    return {"margin": short(own - (next_one.total or 0.0)), "before": next_one.node}


def _first(rows: list[Candidate], taken: int | None) -> list[Candidate]:
    """The best rows in their order, with the one that was taken."""
    if len(rows) <= MOST_CHILDREN:
        return rows
    ranked = sorted(rows, key=lambda row: (row.node != taken, -_rank(row)))
    kept = {row.node for row in ranked[:MOST_CHILDREN]}
    return [row for row in rows if row.node in kept]


def _rank(row: Candidate) -> float:
    return row.value if row.total is None else row.total


def _row(row: Candidate) -> list[float | int | None]:
    extra, total = (None if part is None else short(part) for part in (row.extra, row.total))
    return [row.node, short(row.value), row.visits, extra, total]
