"""The list of trees as rows: which columns fit, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.styled import Style
from tui.text import count, label, verdict
from tui.widgets.table import Column, Row, cell, right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from store.records import TreeSummary
    from tui.trees.pages import TreeQuery

PADDING = 2
"""Cells of a column beside its width."""

_SCROLL_BAR = 2

_LEAST_QUESTION = 24
"""Cells of the question below which further columns are left out."""

_READABLE = 60
"""Cells that the question has, where it is so long, before the less important figures get any."""

_TITLES = {
    "correct": "ok",
    "id": "tree",
    "best_right": "V✓",
    "best_wrong": "V✗",
    "reason": "ended",
    "idle_rounds": "idle",
    "answer_changes": "changes",
    "first_right_tokens": "first ✓",
    "distinct_answers": "answers",
}

_NAMED = {"id": 18, "method": 13, "answer": 9}
"""Columns that are as wide as what they hold, and their largest width in a narrow terminal."""

_FIGURES = {
    "tokens": 6,
    "nodes": 5,
    "depth": 5,
    "best_right": 4,
    "best_wrong": 4,
    "reason": 9,
    "rounds": 6,
    "idle_rounds": 4,
    "answer_changes": 7,
}
"""Columns that are there where there is room, the most important first, and their widths."""

_IMPORTANT = ("tokens", "nodes", "depth", "best_right", "best_wrong")
"""Those that are there even where the question is cut for them."""

_SORTED = 10
"""The width of a column that is there only because the list is sorted by it."""

_WIDE = 1.6
"""How much wider than in a narrow terminal names become where there is room."""


def title_of(name: str) -> str:
    """What a column is called, by what the store sorts it by."""
    return _TITLES.get(name, name.replace("_", " "))


def columns(width: int, query: TreeQuery, trees: Sequence[TreeSummary]) -> list[Column]:
    """The columns of a list in ``width`` cells; the question takes what the others leave.

    A name that the filter fixes is in no column; what the list is sorted by always is.
    """
    room = width - _SCROLL_BAR - PADDING
    names = _names(query, trees, 1.0 if width < 110 else _WIDE)
    taken = sum(names.values()) + PADDING * len(names)
    figures = {}
    if query.order_by not in (*names, "number", "phase"):
        figures[query.order_by] = _FIGURES.get(query.order_by, _SORTED)
    taken += sum(size + PADDING for size in figures.values())
    longest = max((cell_len(label(tree.question, _READABLE)) for tree in trees), default=0)
    for name, size in _FIGURES.items():
        least = _LEAST_QUESTION if name in _IMPORTANT else max(longest, _LEAST_QUESTION)
        if name not in figures and room - taken - size - PADDING >= least:
            figures[name] = size
            taken += size + PADDING
    widths = names | {name: figures[name] for name in sorted(figures, key=_place)}
    widths["question"] = max(room - taken, 1)
    return [Column(name, title_of(name), size) for name, size in widths.items()]


def _place(name: str) -> int:
    order = ("nodes", "depth", "tokens", *_FIGURES)
    return order.index(name) if name in order else len(order)


def _names(query: TreeQuery, trees: Sequence[TreeSummary], wider: float) -> dict[str, int]:
    """The widths of verdict, tree, method and answer."""
    held = {
        "id": [_name(tree, query) for tree in trees],
        "method": [tree.method for tree in trees],
        "answer": [_answered(tree) for tree in trees],
    }
    if len(query.wanted.methods) == 1 and query.order_by != "method":
        del held["method"]
    widths = {"correct": 2}
    for name, texts in held.items():
        longest = max((cell_len(label(text, 60)) for text in texts), default=0)
        widths[name] = min(max(longest, len(title_of(name))), int(_NAMED[name] * wider))
    return widths


def _name(tree: TreeSummary, query: TreeQuery) -> str:
    return str(tree.number) if len(query.wanted.phases) == 1 else tree.id


def _answered(tree: TreeSummary) -> str:
    """The answer, and the oracle's where that is another."""
    answer = "-" if tree.answer is None else tree.answer.strip()
    return f"{answer}≠{tree.oracle.strip()}" if tree.correct is False and tree.oracle else answer


def row(tree: TreeSummary, query: TreeQuery, shown: Sequence[Column]) -> Row:
    """A tree as a row of :func:`columns`."""
    return tree.id, tuple(_cell(tree, query, column.key, column.width or 0) for column in shown)


def _cell(tree: TreeSummary, query: TreeQuery, name: str, width: int) -> Text:
    style: Style = "dim" if tree.correct is None else "good" if tree.correct else "bad"
    match name:
        case "correct":
            return right(verdict(tree.correct), style)
        case "id":
            return cell(_cut_name(_name(tree, query), width), width)
        case "answer":
            return cell(_answer(tree, width), width, style)
        case "question":
            return cell(tree.question[: 4 * width], width)
        case "reason":
            return cell(tree.reason, width, _reason_style(tree.reason))
    return _figure(getattr(tree, name), width)


def _cut_name(name: str, width: int) -> str:
    """The name of a tree: of a long one the phase is cut, and its number stays."""
    phase, slash, number = name.rpartition("/")
    if cell_len(name) <= width or not slash:
        return name
    return f"{label(phase, max(width - len(number) - 1, 1))}/{number}"


def _answer(tree: TreeSummary, width: int) -> str:
    """The answer, and the oracle's; both are cut where only one of them would be seen."""
    whole = _answered(tree)
    if cell_len(whole) <= width or tree.correct is not False or not tree.oracle:
        return whole
    answer, oracle = label(tree.answer, 60), label(tree.oracle, 60)
    half = (width - 1) // 2
    given = max(half, width - 1 - cell_len(oracle))
    return f"{label(answer, given)}≠{label(oracle, width - 1 - min(given, cell_len(answer)))}"


def _reason_style(reason: str) -> Style:
    return "bad" if reason == "failed" else ""


def _figure(value: object, width: int) -> Text:
    if value is None:
        return right("-", "dim")
    if isinstance(value, int):
        return right(count(value))
    if isinstance(value, float):
        return right(f"{value:.2f}", "value" if 0 <= value <= 1 else "", value)
    return cell(str(value), width)
