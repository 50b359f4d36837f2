"""What the tables of reasons share: bars, names of nodes, and the rows that are shown of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tui.replay.row_text import bar
from tui.styled import Line, Span, Style, line
from tui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.tree import Node, Tree
    from tui.replay.player import Player

MOST = 12
"""Rows of a table; the rest is counted."""

Item = TypeVar("Item")


def bar_cells(width: int, others: int) -> int:
    """The cells of a bar in a row of ``width`` that needs ``others`` besides."""
    return min(max(width - others, 4), 24)


def two_bars(value: float, extra: float, most: float, cells: int) -> Line:
    """A bar of V, and after it one of what is added to it; together they are full at ``most``."""
    scale = cells / most if most > 0 else 0.0
    first = min(round(max(value, 0.0) * scale), cells)
    second = min(round(max(extra, 0.0) * scale), cells - first)
    rest = " " * (cells - first - second)
    return (("█" * first, "value", value), ("▒" * second, "mark", 0.0), (rest, "", 0.0))


def value_bar(value: float | None, cells: int) -> Span:
    """A bar of a value in [0, 1]; empty where there is none."""
    return (" " * cells, "", 0.0) if value is None else (bar(value, cells), "value", value)


def name(node: int, chosen: bool = False) -> Line:
    """The number of a node, marked where it was chosen."""
    return line(("▸ " if chosen else "  ", "mark"), (f"{f'#{node}':<6}", "bold" if chosen else ""))


def shown(rows: Sequence[Item], chosen: Sequence[bool], most: int = MOST) -> tuple[list[Item], int]:
    """The first ``most`` rows and the chosen ones after them; and how many are left out."""
    kept = [row for place, row in enumerate(rows) if place < most or chosen[place]]
    return kept, len(rows) - len(kept)


def count_of(children: int) -> str:
    """How many children there are to choose from, in words."""
    return "the only child" if children == 1 else f"of {children:,} children"


def plural(number: int, noun: str) -> str:
    """A number of things in words."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_out(number: int, noun: str = "children") -> list[Line]:
    """A line about rows that are not shown."""
    return [line((f"  … {number:,} more {noun}", "dim"))] if number else []


def text_of(tree: Tree, node: int, width: int = 60) -> str:
    """The step of a node on one line."""
    step = tree.nodes[node].step
    return "problem" if step is None else label(step.text, width)


def number_setting(player: Player, name_: str) -> float | None:
    """A setting of the search that is a number; None where it has none of that name."""
    setting = player.record.header.settings.get(name_)
    return float(setting) if isinstance(setting, int | float) else None


def scored(node: Node) -> float | None:
    """V of a node; None while nothing has been said about it."""
    return node.value if node.valued else None


def figure(number: float) -> str:
    """A number in [0, 1] in five cells, however small."""
    return f"{number:.3f}" if number >= 0.001 or number == 0 else f"{number:.0e}"


def title(text: str, rest: str = "") -> Line:
    """The heading of a table."""
    style: Style = "dim"
    return line((text, "bold"), (rest, style))
