"""What the list of trees reads from the store: pages, how figures are spread, and solutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.index.reader import StoreReader
    from store.queries import Bin, TreeFilter
    from store.records import Solution, TreeSummary

PAGE = 200
"""Trees on a page: as many as a table fills without a pause."""

SPREAD = ("tokens", "depth", "best_right", "best_wrong")
"""The figures whose spread is shown, those first that narrow terminals have room for."""

NARROW = 2
"""How many of them these have room for."""

BARS = 16
"""The most bars of a spread."""


@dataclass(frozen=True, slots=True)
class TreeQuery:
    """Which trees of a run to list, in which order; ``page`` counts from 0."""

    wanted: TreeFilter
    order_by: str = "id"
    descending: bool = False
    page: int = 0


@dataclass(frozen=True, slots=True)
class TreePage:
    """One page of trees, and the number of all that the query finds."""

    version: int
    query: TreeQuery
    trees: tuple[TreeSummary, ...]
    total: int

    @property
    def pages(self) -> int:
        return max(-(-self.total // PAGE), 1)


@dataclass(frozen=True, slots=True)
class Spread:
    """How figures are spread over the trees that pass a filter."""

    wanted: TreeFilter
    figures: Mapping[str, Sequence[Bin]]


@dataclass(frozen=True, slots=True)
class Preview:
    """A tree, and its solutions that are worth a look."""

    tree: TreeSummary
    solutions: tuple[Solution, ...]


def read_page(reader: StoreReader, query: TreeQuery) -> TreePage:
    """The page that ``query`` asks for, or the last one when there are fewer.

    The version is read first, so that a change while reading shows as one afterwards.
    """
    version = reader.version()
    trees, total = reader.counted_trees(
        query.wanted,
        order_by=query.order_by,
        descending=query.descending,
        limit=PAGE,
        offset=query.page * PAGE,
    )
    return TreePage(version, query, tuple(trees), total)


def read_spread(reader: StoreReader, wanted: TreeFilter, names: Sequence[str] = SPREAD) -> Spread:
    """How the figures ``names`` are spread."""
    return Spread(wanted, {name: reader.histogram(wanted, name, BARS) for name in names})


def read_known(reader: StoreReader, run: str) -> dict[str, Sequence[str]]:
    """What the words of a filter can be completed with in ``run``, by the names of the words."""
    return {
        "phase": [phase.name for phase in reader.phases(run) if phase.trees],
        "method": reader.methods(run),
        "iteration": [str(iteration) for iteration in reader.iterations(run)],
    }


def read_preview(reader: StoreReader, tree: TreeSummary) -> Preview:
    """The solution that ``tree`` has answered with, and its best right one."""
    return Preview(tree, reader.solutions(tree.run, tree.id))
