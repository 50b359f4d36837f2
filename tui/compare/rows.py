"""The rows of a comparison: one for each pair of sides, and one for each problem of a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from store.queries import HALF
from tui.styled import Line, Style, line
from tui.text import count, label, safe_text, verdict
from tui.widgets.table import Column, Row, cell, right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.paired import Bounded
    from store.queries import Fault, ProblemPair, SettingDifference, Side
    from tui.compare.pages import Contrast, RowRead

FAULTS: dict[Fault, str] = {"never-sampled": "never sampled", "preferred-wrong": "preferred wrong"}
"""Why the side that did worse was wrong."""

SURE = 0.05
"""Below this p-value a difference is shown in colour."""

_FIGURES = (
    "A %",
    "B %",
    "A-B",
    "only A",
    "only B",
    "both",
    "none",
    "p",
    "95 % of A-B",
    "tokens A",
    "tokens B",
)
_FIGURES_WIDTH = 58
"""Cells of the figures that are to be seen in 80 columns, with padding and a scroll bar."""

_PROBLEM = {"problem": 10, "question": 16, "A": 5, "B": 5, "tok A": 6, "tok B": 6, "why": 15}


def contrast_columns(width: int) -> list[Column]:
    """The columns of the list of comparisons in a terminal of ``width`` cells."""
    name = min(max(width - _FIGURES_WIDTH - 2, 12), 60)
    return [Column("what", "what", name), *(Column(title, title) for title in _FIGURES)]


def problem_columns(width: int) -> list[Column]:
    """The columns of the list of problems in a terminal of ``width`` cells."""
    return [Column(name, name, cells) for name, cells in _problem_widths(width).items()]


def _problem_widths(width: int) -> dict[str, int]:
    spare = max(width - sum(_PROBLEM.values()) - 2 * len(_PROBLEM) - 2, 0)
    names = min(spare // 4, 14)
    return _PROBLEM | {
        "problem": _PROBLEM["problem"] + names,
        "question": _PROBLEM["question"] + spare - names,
    }


def method_name(side: Side) -> str:
    """The method of a side, with its budget if it has one."""
    return side.method if side.budget is None else f"{side.method}@{side.budget}"


def contrast_name(sides: Contrast) -> str:
    """What two sides have in common; within a phase what the second is, for the first stays the same."""
    a, b = sides
    if (a.run, a.phase) == (b.run, b.phase):
        return f"vs {method_name(b)}"
    return (
        method_name(a)
        if (a.method, a.budget) == (b.method, b.budget)
        else f"{method_name(a)} vs {method_name(b)}"
    )


def contrast_row(key: str, sides: Contrast, read: RowRead | None, width: int) -> Row:
    """A row of the list of comparisons; its figures are missing until they have been read."""
    name = cell(contrast_name(sides), contrast_columns(width)[0].width or 0)
    if read is None:
        return key, (name, *(right("…", "dim") for _ in _FIGURES))
    both, only_a, only_b, none = read.counts
    figures = read.figures
    if figures is None:
        return key, (name, *(right("-", "dim") for _ in _FIGURES))
    difference = figures.difference
    return key, (
        name,
        right(_percent(figures.accuracy_a.value)),
        right(_percent(figures.accuracy_b.value)),
        right(f"{100 * difference.value:+.1f}", _sign(difference, figures.p_value)),
        right(count(only_a), "good" if only_a else "dim"),
        right(count(only_b), "mark" if only_b else "dim"),
        right(count(both)),
        right(count(none)),
        right(p_text(figures.p_value), "" if figures.p_value < SURE else "dim"),
        right(f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}"),
        right(count(round(figures.tokens_a))),
        right(count(round(figures.tokens_b))),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _sign(difference: Bounded, p_value: float) -> Style:
    if p_value >= SURE:
        return "bold"
    return "good" if difference.value > 0 else "bad"


def p_text(p_value: float) -> str:
    """A p-value in at most five cells."""
    return "<.001" if p_value < 0.001 else f"{p_value:.3f}"


def problem_row(key: str, pair: ProblemPair, width: int) -> Row:
    """A row of the list of problems."""
    widths = _problem_widths(width)
    return key, (
        cell(end_of(pair.problem, widths["problem"]), widths["problem"], "dim"),
        cell(pair.question[:1000], widths["question"]),
        right(*share_cell(pair.share_a)),
        right(*share_cell(pair.share_b)),
        right(count(round(pair.tokens_a))),
        right(count(round(pair.tokens_b))),
        cell("" if pair.fault is None else FAULTS[pair.fault], widths["why"], "mark"),
    )


def end_of(name: str, width: int) -> str:
    """The name of a problem in at most ``width`` cells: its end tells it from others."""
    shown = safe_text(name.strip(), one_line=True, limit=400)
    if cell_len(shown) <= width:
        return shown
    return "…" + next(end for cut in range(1, len(shown) + 1) if cell_len(end := shown[cut:]) < width)


def share_cell(share: float | None) -> tuple[str, Style]:
    """What a side was worth on a problem: a mark, and the share where answers were drawn more than once."""
    if share is None:
        return "-", "dim"
    style: Style = "good" if share >= HALF else "bad"
    mark = verdict(share >= HALF)
    return (mark if share in (0, 1) else f".{min(max(round(100 * share), 1), 99):02} {mark}"), style


def settings_line(differences: Sequence[SettingDifference], width: int) -> Line:
    """The settings that differ, as many as there is room for."""
    if not differences:
        return line(("the recipes do not differ", "dim"))
    parts = [f"{one.key} {shown(one.a)} → {shown(one.b)}" for one in differences]
    room, fitting = max(width - 30, 20), list[str]()
    for part in parts:
        if fitting and sum(map(len, fitting)) + 2 * len(fitting) + len(part) > room:
            break
        fitting.append(part)
    more = len(parts) - len(fitting)
    rest = f"  and {more} more (d)" if more else ""
    return line(("differ in  ", "dim"), label("  ".join(fitting), room), (rest, "dim"))


def settings_lines(differences: Sequence[SettingDifference]) -> list[Line]:
    """All settings that differ, one a line."""
    if not differences:
        return [line(("Both sides are of one recipe, or of recipes that do not differ.", "dim"))]
    return [
        line((f"{label(one.key, 60)}  ", "bold"), f"{shown(one.a, 400)}", (" → ", "dim"), shown(one.b, 400))
        for one in differences
    ]


def shown(value: object, width: int = 30) -> str:
    """The value of a setting."""
    return "none" if value is None else label(str(value), width)
