"""Tables of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from restmcts.cli.output.console import print_table
from restmcts.cli.output.text import visible
from store.records import Evaluation

COLUMNS = (
    "phase",
    "iteration",
    "method",
    "traces",
    "budget",
    "accuracy",
    "95 % interval",
    "problems",
    "policy tokens",
    "value tokens",
    "FLOPs",
)

SHARED = (
    "method",
    "mean budget",
    "accuracy",
    "with fixed budgets",
    "points gained (95 %)",
    "problems",
    "tokens",
    "fixed tokens",
    "threshold",
    "cap",
)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as Markdown; nothing in a cell is read as Markdown or HTML."""
    head = [plain_markdown(column) for column in columns]
    lines = [head, ["---"] * len(columns), *([plain_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain_markdown(text: object, limit: int = 200) -> str:
    """Text that Markdown shows as it is, in one line of at most so many characters."""
    short = visible(text, limit)
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#&$~" else letter for letter in short)


def print_evaluations(title: str, rows: Sequence[Evaluation]) -> None:
    """Accuracy by phase, method and budget, with intervals and what a problem took.

    Columns that no row fills are left out.
    """
    cells = [_cells(row) for row in rows]
    filled = [place for place in range(len(COLUMNS)) if any(row[place] not in ("", None) for row in cells)]
    print_table(
        title, [COLUMNS[place] for place in filled], [[row[place] for place in filled] for row in cells]
    )


def print_shared(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One budget for a set of problems beside the same budget for every problem, in points of accuracy."""
    print_table(title, SHARED, [_shared_cells(row) for row in rows])


def _shared_cells(row: Mapping[str, Any]) -> list[object]:
    gain, low, high = (row.get(f"against_fixed.{name}", nan) for name in ("difference", "low", "high"))
    return [
        row["method"].removesuffix(", shared budget"),
        row["budget"],
        f"{row['accuracy']:.1%}",
        f"{row['fixed_accuracy']:.1%}",
        f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
        row["problems"],
        f"{row['policy_tokens']:.1f}",
        f"{row['fixed_policy_tokens']:.1f}",
        ", ".join(f"{threshold:.3g}" for threshold in row["thresholds"]),
        ", ".join(map(str, row["caps"])),
    ]


def _cells(row: Evaluation) -> list[object]:
    return [
        row.phase,
        "" if row.iteration is None else row.iteration,
        row.method,
        "" if row.traces is None else f"{row.traces:g}",
        "" if row.budget is None else row.budget,
        f"{row.accuracy:.1%}",
        f"{row.low:.1%} - {row.high:.1%}",
        row.problems,
        f"{row.policy_tokens:.0f}",
        f"{row.value_tokens:.0f}",
        "" if row.flops is None else f"{row.flops:.2g}",
    ]
