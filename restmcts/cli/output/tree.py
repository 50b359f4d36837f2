"""A search tree as lines of text: figures in columns, then the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from restmcts.cli.output.text import visible
from store.tree import Node, Tree

DEEPEST = 40
"""Levels of branches that are indented where no terminal limits them; of deeper ones the last are."""

LONGEST = 1_000
"""Characters of a step where no terminal limits them."""

_LEAST = 24
"""Cells that guides and steps have at least; a narrower terminal breaks the lines."""

Labels = Mapping[str, tuple[float | None, ...]]
"""Quality values by the name of the rule, one a node."""

VERDICTS = {True: "correct", False: "wrong", None: "not graded"}

LEGEND = "✓ correct, ✗ wrong, ◆ finished but not graded"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of figures, against its right edge."""

    title: str
    text: Callable[[Node], str]


def tree_lines(tree: Tree, labels: Labels, width: int | None = None) -> Iterator[str]:
    """A line for each node below a line of titles, each node below its parent.

    The figures come first and are never cut. Only the children of a node that has several are indented; the
    depth stands in a column.

    Args:
        tree: the tree.
        labels: quality values; a column for each rule.
        width: the cells of the terminal, which the steps are cut to; None: there is none.
    """
    cells = [[column.title, *map(column.text, tree.nodes)] for column in _columns(tree, labels)]
    widths = [max(map(cell_len, column)) for column in cells]
    figures = ["  ".join(map(str.rjust, row, widths)) for row in zip(*cells, strict=True)]
    room = None if width is None else max(width - sum(widths) - 2 * len(widths) - 2, _LEAST)
    yield f"{figures[0]}    step"
    for node, guides in _ordered(tree, DEEPEST if room is None else room // 4):
        text = "problem" if node.step is None else visible(node.step.text.strip(), LONGEST)
        line = f"{guides}{text}"
        yield f"{figures[node.id + 1]}  {_mark(node)} {line if room is None else _cut(line, room)}"


def _columns(tree: Tree, labels: Labels) -> list[_Column]:
    """Numbers and depths, and what the nodes of this tree have."""
    nodes = tree.nodes
    columns = [_Column("node", lambda node: str(node.id)), _Column("depth", lambda node: str(node.depth))]
    if any(node.valued for node in nodes):
        columns.append(_Column("V", lambda node: f"{node.value:.3f}" if node.valued else "-"))
        columns.append(_Column("N", lambda node: str(node.visits)))
    if any(node.score is not None for node in nodes):
        columns.append(_Column("score", lambda node: _decimal(node.score)))
    if any(node.samples > 1 for node in nodes):
        columns.append(_Column("samples", lambda node: str(node.samples)))
    return columns + [_label_column(rule, values) for rule, values in labels.items()]


def _label_column(rule: str, values: tuple[float | None, ...]) -> _Column:
    return _Column(
        visible(rule, 20), lambda node: _decimal(values[node.id] if node.id < len(values) else None)
    )


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _mark(node: Node) -> str:
    if not node.finished:
        return " "
    return "◆" if node.correct is None else "✓" if node.correct else "✗"


def _ordered(tree: Tree, levels: int) -> Iterator[tuple[Node, str]]:
    """All nodes, each after its parent, with the lines that join it to its parent; at most so many levels."""
    waiting = [(tree.root, "", "")]
    while waiting:
        node, guides, below = waiting.pop()
        yield node, guides
        children = tree.children(node.id)
        if len(children) == 1:
            waiting.append((children[0], below, below))
            continue
        for place, child in enumerate(reversed(children)):
            turn, further = ("└ ", "  ") if place == 0 else ("├ ", "│ ")
            waiting.append((child, _last(below + turn, levels), _last(below + further, levels)))


def _last(guides: str, levels: int) -> str:
    """The last levels of guides; a mark says that some are missing."""
    return guides if len(guides) <= 2 * levels else f"⋯ {guides[len(guides) - 2 * levels + 2 :]}"


def _cut(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"
