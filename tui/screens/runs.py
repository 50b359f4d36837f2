"""All runs of the store, and what the one under the cursor has done."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import TabbedContent, TabPane

from tui.legend import RUNS
from tui.messages import RunRead, RunsRead
from tui.places import TreesPlace
from tui.screens.base import MAIN, StoreScreen
from tui.snapshots import MetricDigest, read_run, read_runs
from tui.styled import line
from tui.taking import Taken, command
from tui.text import count, decimal, label, seconds
from tui.widgets.lines import LinesPane
from tui.widgets.table import Column, ListTable, Row, RowTable, cell, right

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from textual.app import ComposeResult

    from store.index.headline import Headline
    from store.index.reader import StoreReader
    from store.records import Evaluation, PhaseSummary, RunSummary
    from tui.styled import Line, Style

_STATUS: dict[str, Style] = {"running": "mark", "done": "good", "failed": "bad", "stopped": "dim"}

_COLUMNS = {
    "runs": ("run", "status", "phase", "held-out accuracy", "trees", "tokens", "recipe", "created (UTC)"),
    "phases": ("phase", "status", "trees", "correct", "time", "summary"),
    "evaluations": (
        "phase",
        "method",
        "budget",
        "accuracy",
        "95 %",
        "tokens",
        "problems",
        "value tokens",
    ),
    "metrics": ("phase", "metric", "count", "last", "low", "high", "course"),
}


class RunsScreen(StoreScreen):
    """The first screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "tab('phases-tab')", "Phases", id="runs.phases"),
        Binding("2", "tab('evaluations-tab')", "Evaluation", id="runs.evaluations"),
        Binding("3", "tab('metrics-tab')", "Metrics", id="runs.metrics"),
    ]
    LEGEND = RUNS
    AUTO_FOCUS = "#runs"

    def __init__(self, reader: StoreReader) -> None:
        super().__init__(reader, f"runs in {label(str(reader.root), 200)}")

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield LinesPane("no-runs")
        yield ListTable("runs")
        with TabbedContent(id="detail"):
            for name, title in (("phases", "Phases"), ("evaluations", "Evaluation"), ("metrics", "Metrics")):
                with TabPane(title, id=f"{name}-tab"):
                    yield RowTable(name)
        yield self.keys_bar()

    def on_mount(self) -> None:
        for name, columns in _COLUMNS.items():
            self.query_one(f"#{name}", RowTable).set_columns([Column(title, title) for title in columns])
        self.reload()

    def reload(self) -> None:
        self.read(MAIN, lambda reader: RunsRead(read_runs(reader)))

    def on_runs_read(self, message: RunsRead) -> None:
        self.caught_up(message.runs.version)
        table = self.query_one("#runs", RowTable)
        found = message.runs
        table.fill([_run(run, found.headlines.get(run.name)) for run in found.runs])
        self.set_class(not found.runs, "empty")
        if not found.runs:
            self.query_one("#no-runs", LinesPane).show(
                _nothing(self.reader.root, found.near), keep_scroll=True
            )
        self._read_detail()

    def on_data_table_row_highlighted(self, event: RowTable.RowHighlighted) -> None:
        if event.data_table.id == "runs":
            self._read_detail()

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        if event.data_table.id == "runs":
            self.action_open()

    def _read_detail(self) -> None:
        run = self.query_one("#runs", RowTable).chosen
        if run is not None:
            self.read("detail", partial(_detail, run))

    def on_run_read(self, message: RunRead) -> None:
        detail = message.detail
        if detail.run != self.query_one("#runs", RowTable).chosen:
            return
        self.query_one("#phases", RowTable).fill([_phase(phase) for phase in detail.phases])
        evaluations = [_evaluation(place, row) for place, row in enumerate(detail.evaluations)]
        self.query_one("#evaluations", RowTable).fill(evaluations)
        self.query_one("#metrics", RowTable).fill([_metric(metric) for metric in detail.metrics])

    def action_open(self) -> None:
        run = self.query_one("#runs", RowTable).chosen
        if run is not None:
            self.open(TreesPlace(run))

    def taken(self) -> Taken | None:
        run = self.query_one("#runs", RowTable).chosen
        if run is None:
            return None
        shown = command("restmcts", "show", run, "--root", str(self.reader.root))
        return Taken("the command", shown, shown)

    def action_tab(self, tab: str) -> None:
        self.query_one(TabbedContent).active = tab


def _detail(run: str, reader: StoreReader) -> RunRead:
    return RunRead(read_run(reader, run))


def _nothing(root: Path, near: Sequence[str]) -> list[Line]:
    """What to do where there is no run."""
    lines = [line(("no runs yet", "bold")), line(), line(f"There is no run in {label(str(root), 400)}.")]
    lines.append(line(f"A first one: restmcts iterate tiny --root {label(shlex.quote(str(root)), 400)}"))
    if near:
        lines += [line(), line("Stores near this folder:")]
        lines += [line(f"  restmcts tui --root {label(shlex.quote(each), 400)}") for each in near]
    return lines


def _run(run: RunSummary, found: Headline | None) -> Row:
    return run.name, (
        cell(run.name, 24),
        cell(run.status, 8, _STATUS.get(run.status, "")),
        cell(run.phase, 20),
        cell("-" if found is None else f"{found.method} {found.text}", 60),
        right(count(run.trees)),
        right(count(run.policy_tokens)),
        cell(run.recipe, 20),
        cell(run.created[:16].replace("T", " "), 16),
    )


def _phase(phase: PhaseSummary) -> Row:
    summary = ", ".join(f"{name} {_short(value)}" for name, value in phase.summary.items())
    return phase.name, (
        cell(phase.name, 24),
        cell(phase.status, 8, _STATUS.get(phase.status, "")),
        right(count(phase.trees)),
        right(count(phase.correct) if phase.graded or not phase.trees else "not graded"),
        right(seconds(phase.seconds)),
        cell(summary, 200),
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else label(str(value), 60)


def _evaluation(place: int, row: Evaluation) -> Row:
    return f"{place}", (
        cell(row.phase, 24),
        cell(row.method, 40),
        right("-" if row.budget is None else count(row.budget)),
        right(f"{100 * row.accuracy:.1f} %", "value", row.accuracy),
        right(f"{100 * row.low:.1f} to {100 * row.high:.1f}"),
        right(count(round(row.policy_tokens))),
        right(f"{row.correct:,}/{row.problems:,}"),
        right(count(round(row.value_tokens))),
    )


def _metric(metric: MetricDigest) -> Row:
    return f"{metric.phase}\n{metric.name}", (
        cell(metric.phase, 24),
        cell(metric.name, 30),
        right(count(metric.count)),
        right(_number(metric.last)),
        right(_number(metric.low)),
        right(_number(metric.high)),
        cell(metric.course, 16, "mark"),
    )


def _number(value: float) -> str:
    return decimal(value) if 0.01 <= abs(value) < 10_000 or value == 0 else f"{value:.3g}"
