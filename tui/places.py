"""Where a user can be in a store; screens name places, and only the navigation knows their screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from store.queries import Side, TreeFilter
    from tui.trees.pages import TreeQuery


@dataclass(frozen=True, slots=True)
class RunsPlace:
    """All runs of the store."""


@dataclass(frozen=True, slots=True)
class RunPlace:
    """What the run ``run`` has done."""

    run: str


@dataclass(frozen=True, slots=True)
class TreesPlace:
    """The trees of ``run``, those of one ``phase`` if that is named; ``tree`` is the one to begin at.

    Or those that pass ``filter``. Without any of them, those that were last looked at in this run.
    """

    run: str
    phase: str | None = None
    tree: str | None = None
    filter: TreeFilter | None = None


@dataclass(frozen=True, slots=True)
class ReplayPlace:
    """The replay of ``tree``, named ``<phase>/<number>``, in ``run``.

    ``siblings`` are the trees of the list that it was opened from, in their order, itself among them.
    """

    run: str
    tree: str
    siblings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparePlace:
    """Two sides, problem by problem; a phase or a method that is ``""`` is chosen so that both have it."""

    a: Side
    b: Side


@dataclass(frozen=True, slots=True)
class MatrixPlace:
    """Several sides, problem by problem."""

    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class SideBySidePlace:
    """Two searches of one problem beside each other; trees are named ``<phase>/<number>``.

    ``pairs`` are the trees of the list that they were opened from, in its order, themselves among them.
    """

    run_a: str
    tree_a: str
    run_b: str
    tree_b: str
    pairs: tuple[tuple[str, str], ...] = ()


Place = RunsPlace | RunPlace | TreesPlace | ReplayPlace | ComparePlace | MatrixPlace | SideBySidePlace


class Navigator(Protocol):
    """What screens need of their application to lead to other places."""

    queries: dict[str, TreeQuery]
    """What was last asked for in the list of trees, by run."""

    def go(self, place: Place, *, instead: bool = False) -> None:
        """Show ``place`` over the present screen, or ``instead`` of it."""


def place_of(run: str | None, tree: str | None, phase: str | None = None) -> Place:
    """The place that a run, and a phase or a tree in it, name; without a run, all runs."""
    if run is None:
        return RunsPlace()
    return TreesPlace(run, phase) if tree is None else ReplayPlace(run, tree)
