"""A report as data: JSON with everything it says, and CSV with a row for each accuracy."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

from restmcts.evaluation.report.content import Report
from restmcts.evaluation.verdicts import Verdict

COLUMNS = (
    "kind",
    "name",
    "when",
    "iteration",
    "at",
    "accuracy",
    "low",
    "high",
    "runs",
    "problems",
    "policy_tokens",
    "value_tokens",
)


def report_values(report: Report) -> dict[str, Any]:
    """Everything that the report says, as JSON values; accuracies and differences are shares, 0 to 1."""
    return {
        "runs": [asdict(run) for run in report.runs],
        "arms": {
            "members": [
                {"arm": arm.name, "runs": [run.name for run in arm.runs]} for arm in report.arms.arms
            ],
            "accuracies": [asdict(row) for row in report.arms.accuracies],
            "differences": [_verdict(row) for row in report.arms.verdicts],
            "progress": [_verdict(row) for row in report.arms.progress],
            "spending": [asdict(row) for row in report.arms.spending],
            "figures": [asdict(row) for row in report.arms.figures],
        },
        "methods": {
            "accuracies": [asdict(row) for row in report.methods.accuracies],
            "differences": [_verdict(row) for row in report.methods.verdicts],
        },
        "calibration": [asdict(curve) for curve in report.curves],
        "value_models": _table(report.values.columns, report.values.rows),
        "failures": _table(report.failures.columns, report.failures.rows),
        "settings": _table(report.settings.columns, report.settings.rows),
        "problems": [asdict(group) for group in report.groups],
        "notes": list(report.notes),
    }


def csv_text(report: Report) -> str:
    """A row for each accuracy of an arm after an iteration, and of a method at a budget.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    for arm in report.arms.accuracies:
        when = "closing" if arm.point.closing else "loop"
        writer.writerow(_row("arm", arm.arm, when, arm, arm.point.how))
    for method in report.methods.accuracies:
        writer.writerow(_row("method", method.method, method.point.made, method, method.point.amount))
    return output.getvalue()


def _row(kind: str, name: str, when: str, row: Any, at: str) -> list[object]:
    found = row.accuracy
    return [
        kind,
        _plain(name),
        when,
        row.point.iteration,
        _plain(at),
        found.value,
        found.low,
        found.high,
        row.runs,
        row.problems,
        row.policy_tokens,
        row.value_tokens,
    ]


def _plain(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _verdict(row: Verdict) -> dict[str, Any]:
    return asdict(row) | {"shown": row.shown, "verdict": row.verdict}


def _table(columns: tuple[str, ...], rows: list[list[object]]) -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
