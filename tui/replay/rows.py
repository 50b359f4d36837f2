"""The rows of a search tree: their order, and the lines that join them.

A row is indented only where the tree branches, so that a long chain of steps stays in one column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.tree import Node, Tree

RowOrder = Literal["created", "N", "V"]
"""What the children of a node are ordered by: when they joined, or the largest N or V first."""

ORDERS: tuple[RowOrder, ...] = ("created", "N", "V")

_LEVEL_NUMBER = 5
"""Cells for the number of levels that are not drawn."""


class Row(NamedTuple):
    """A row of the tree.

    Attributes:
        node: the number of its node.
        level: how many branches lie above it.
        above: the place of the row where the last of these branches is.
        head: whether the row is a child of that row, and not further down the chain that begins with one.
        last: whether that child is the last one.
    """

    node: int
    level: int
    above: int
    head: bool
    last: bool


@dataclass(slots=True)
class View:
    """Which nodes of a tree are shown, and in which order.

    Attributes:
        folded: the nodes whose children are not shown.
        order: the order of the children of a node.
        hide: whether nodes without a visit are left out; where a search visits none, those without a sample.
        keep: nodes that are shown all the same.
    """

    folded: set[int] = field(default_factory=set)
    order: RowOrder = "created"
    hide: bool = False
    keep: frozenset[int] = frozenset()


def arrange(tree: Tree, view: View, *, counted: bool) -> list[Row]:
    """The rows of ``tree`` from top to bottom; ``counted``: by visits, not by samples."""
    rows: list[Row] = []
    waiting = [Row(0, 0, 0, False, True)]
    while waiting:
        row = waiting.pop()
        place = len(rows)
        rows.append(row)
        if row.node in view.folded:
            continue
        children = _children(tree, row.node, view, counted)
        if len(children) == 1:
            waiting.append(Row(children[0].id, row.level, row.above, False, row.last))
        elif children:
            waiting += _branches(children, row.level + 1, place)
    return rows


def _branches(children: Sequence[Node], level: int, above: int) -> list[Row]:
    """The rows of several children, the last one first."""
    last = children[-1].id
    return [Row(child.id, level, above, True, child.id == last) for child in reversed(children)]


def _children(tree: Tree, node: int, view: View, counted: bool) -> list[Node]:
    children = tree.children(node)
    if view.hide:
        children = [child for child in children if _reached(child, counted) or child.id in view.keep]
    if view.order == "N":
        children.sort(key=lambda child: -(child.visits if counted else child.samples))
    elif view.order == "V":
        children.sort(key=lambda child: -child.value)
    return children


def _reached(node: Node, counted: bool) -> bool:
    return (node.visits if counted else node.samples) > 0


def guides(rows: Sequence[Row], place: int, cells: int, deepest: int) -> str:
    """The lines that join a row to the rows above it.

    Args:
        rows: all rows.
        place: the row.
        cells: the cells that there are for them; of a deep row, the levels nearest to it are drawn, after the
            number of the others.
        deepest: the largest level of all rows.
    """
    wide = 2 * deepest <= cells
    levels = cells // 2 if wide else max(cells - _LEVEL_NUMBER, 1)
    parts: list[str] = []
    row, head = rows[place], rows[place].head
    while row.level and len(parts) < levels:
        drawn = ("└" if row.last else "├") if head else (" " if row.last else "│")
        parts.append(drawn + (("─" if head else " ") if wide else ""))
        row, head = rows[row.above], False
    rest = f"⋯{row.level:<{_LEVEL_NUMBER - 1}}" if row.level else ""
    return rest + "".join(reversed(parts))
