"""Why a search went where it went: what each level of a selection compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.answering.constants import constants_of
from store.answering.gains import Gains, empty_draws, gains
from store.answering.posterior import Shares, shares
from store.selection import Candidate, candidates
from tui.page.texts import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.events import Event, Header, SearchRecord, Selected
    from store.tree import Node, Tree

POSTERIOR = "posterior-search"
"""The method that goes where a step most likely changes the answer."""

MOST_CHILDREN = 30
"""Children of a level that are listed; sampling methods have roots with thousands."""

MOST_LEVELS, LEAST_LEVELS = 40, 3
"""Levels of a selection that are listed: fewer where there are many selections, see :data:`ALL_LEVELS`."""

ALL_LEVELS = 20_000
"""Levels that all selections together may list, so that the page of a deep tree can be opened."""


MOST_GAINS = 200_000
"""Nodes whose gains are computed for all selections of a posterior search together; beyond, only shares."""


class Choices:
    """Describes the selections of one search.

    Attributes:
        terms: what the levels compare: ``exploration`` (V + c·√(2 ln N↑/N)), ``posterior`` (share times
            gain), or None: the method has not said.
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
        attempts, deepest = _setting(header, "attempts"), _setting(header, "depth")
        self._attempts = None if attempts is None else int(attempts)
        self._deepest = None if deepest is None else int(deepest)
        self._gains = selections * record.result.nodes <= MOST_GAINS
        self.terms = "exploration" if self._exploration else "posterior" if self._constants else None

    def describe(self, tree: Tree, event: Selected, before: Sequence[Event]) -> dict[str, Any]:
        """The levels from the root down at which there was a choice.

        Args:
            tree: the tree at the event.
            event: the selection.
            before: the events before it.
        """
        worth = self._worth(tree, event, before)
        way = [tree.root, *tree.path(event.node)]
        turns = [
            (above, below)
            for above, below in zip(way, [*way[1:], None], strict=True)
            if len(above.children) > (1 if below is not None else 0)
        ]
        if self._constants is None:
            turns = [(above, below) for above, below in turns if below is not None]
        levels = [self._level(tree, event, above, below, worth) for above, below in turns[: self._levels]]
        found: dict[str, Any] = {"levels": levels}
        if len(turns) > len(levels):
            found["more"] = len(turns) - len(levels)
        if event.running:
            found["running"] = len(event.running)
        return found

    def _worth(self, tree: Tree, event: Selected, before: Sequence[Event]) -> Gains | None:
        """What one more step is worth at each node; None where that takes too long for all selections."""
        if self._constants is None or not self._gains:
            return None
        missed = empty_draws(before) if self._attempts else {}
        given_up = (node for node, count in missed.items() if count >= (self._attempts or 0))
        return gains(tree, self._constants, closed={*event.running, *given_up}, deepest=self._deepest)

    def _level(
        self, tree: Tree, event: Selected, above: Node, below: Node | None, worth: Gains | None
    ) -> dict[str, Any]:
        """One level: its parent, the child that was taken (None: a new step) and what was compared."""
        found: dict[str, Any] = {"parent": above.id, "taken": None if below is None else below.id}
        if self._constants is not None:
            return found | _shared(tree, above, found["taken"], shares(tree, above, self._constants), worth)
        if self._exploration is not None:
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


def _shared(
    tree: Tree, above: Node, taken: int | None, divided: Shares, worth: Gains | None
) -> dict[str, Any]:
    """The children by their shares: node, V, N, share, then share times gain and gain where known."""
    rows = []
    for child, share in zip(tree.children(above.id), divided.children, strict=True):
        total = None if worth is None else share * worth.gain[child.id]
        rows.append(Candidate(child.id, child.value, child.visits, share, total))
    shown = _first(rows, taken)
    found: dict[str, Any] = {
        "undrawn": short(divided.undrawn),
        "rows": [_row(row) + ([] if worth is None else [short(worth.gain[row.node])]) for row in shown],
    }
    if worth is not None:
        found["here"] = short(worth.own[above.id])
    if len(rows) > len(shown):
        found["more"] = len(rows) - len(shown)
    return found


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
    return next(part for part in (row.total, row.extra, row.value) if part is not None)


def _row(row: Candidate) -> list[float | int | None]:
    extra, total = (None if part is None else short(part) for part in (row.extra, row.total))
    return [row.node, short(row.value), row.visits, extra, total]
