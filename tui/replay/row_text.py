"""One node of a search tree as one row: its figures in columns, then its place and its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.styled import Line, Span, Style, line
from tui.text import label

if TYPE_CHECKING:
    from store.tree import Node, Tree
    from tui.replay.truth import Truth

_BAR, _NARROW_BAR = 5, 3
_TEXT = 14
"""Cells that a row keeps for the number and the text of its node."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WORDS = 50
"""Cells of a row from which what the verdicts say stands there in words."""


@dataclass(frozen=True, slots=True)
class RowLook:
    """What the rows of a tree have in common.

    Attributes:
        valued: whether the search has values; else the bars show samples.
        visited: whether the search counts visits; else samples stand in their place.
        samples: the samples of the whole tree, for the bars of a search without values.
        truth: what the verdicts say; None while it is not to be shown.
        selected: the node that the round selected.
        way: the nodes from the root to that node.
        touched: the nodes that the last event is about.
        apart: the node where the solution leaves that of another search.
    """

    valued: bool
    visited: bool
    samples: int = 0
    truth: Truth | None = None
    selected: int | None = None
    way: frozenset[int] = frozenset()
    touched: frozenset[int] = frozenset()
    apart: int | None = None


def is_valued(final: Tree) -> bool:
    """Whether any node of a tree has a value."""
    return any(node.valued for node in final.nodes)


def is_visited(final: Tree) -> bool:
    """Whether any node of a tree has a visit."""
    return any(node.visits for node in final.nodes)


def row_line(node: Node, look: RowLook, guides: str, folded: int, width: int) -> Line:
    """The row of ``node``.

    Args:
        guides: the lines that join it to its parent.
        folded: how many nodes below it are not shown.
        width: the cells of the row.
    """
    way: Style = "bold" if node.id in look.way else ""
    text = "problem" if node.step is None else label(node.step.text, width)
    below = f" [+{folded}]" if folded else ""
    words = _words(node, look.truth) if width >= _WORDS else ()
    figures = _figures(node, look, _bar_cells(width))
    place: Line = (_gutter(node, look), *figures, (guides, "dim", 0.0), mark(node, look.truth))
    return (*place, _side(node, look.truth), *line((f"#{node.id}{below} ", way)), *words, (text, way, 0.0))


def guide_cells(width: int) -> int:
    """How many cells of a row of ``width`` there are for its guides."""
    return max(width - 1 - _bar_cells(width) - 11 - 2 - _TEXT, 4)


def _bar_cells(width: int) -> int:
    return _BAR if width >= _WORDS else _NARROW_BAR


def bar(part: float, cells: int) -> str:
    """A bar that is full at 1."""
    eighths = round(8 * cells * min(max(part, 0.0), 1.0))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def mark(node: Node, truth: Truth | None) -> Span:
    """What kind of node: ✓ ✗ verified, ◆ finished, ● expanded, ○ not expanded."""
    correct = truth.verdicts.get(node.id) if truth is not None and node.finished else node.correct
    if node.finished and correct is not None:
        return ("✓", "good", 0.0) if correct else ("✗", "bad", 0.0)
    if node.finished:
        return ("◆", "mark", 0.0)
    return ("●" if node.expanded else "○", "", 0.0)


def short(number: int) -> str:
    """A number in at most four cells up to 10 million."""
    if number < 10_000:
        return f"{number}"
    return f"{number // 1000}k" if number < 1_000_000 else f"{number // 1_000_000}M"


def _gutter(node: Node, look: RowLook) -> Span:
    if node.id == look.apart:
        return ("≠", "mark", 0.0)
    if node.id == look.selected:
        return ("►", "mark", 0.0)
    return ("•" if node.id in look.touched else " ", "mark", 0.0)


def _figures(node: Node, look: RowLook, cells: int) -> Line:
    """The columns before the tree: bar, V and N; or a bar and the samples."""
    if not look.valued:
        return _samples(node, look, cells)
    times = node.visits if look.visited else node.samples
    visits: Span = (f"{short(times):>4} ", "" if times else "dim", 0.0)
    if not node.valued:
        return ((" " * cells + "    - ", "dim", 0.0), visits)
    return ((f"{bar(node.value, cells)} {node.value:>4.2f} ", "value", node.value), visits)


def _samples(node: Node, look: RowLook, cells: int) -> Line:
    if node.parent is None or not look.samples:
        return ((" " * (cells + 11), "", 0.0),)
    return ((bar(node.samples / look.samples, cells), "mark", 0.0), (f"{short(node.samples):>10} ", "", 0.0))


def _side(node: Node, truth: Truth | None) -> Span:
    """Whether the node lies on the right way, or is where it was left."""
    if truth is not None and node.id in truth.mistakes:
        return ("!", "bad", 0.0)
    if truth is not None and node.id in truth.right and node.parent is not None:
        return ("+", "good", 0.0)
    return (" ", "", 0.0)


def _words(node: Node, truth: Truth | None) -> Line:
    if truth is not None and node.id in truth.mistakes:
        return (("first mistake ", "bad", 0.0),)
    return ()
