"""All runs of the store, and the one under the cursor in short."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.compare.marks import side_of_run
from tui.legend import RUNS
from tui.messages import RunRead, RunsProgressRead, RunsRead
from tui.places import RunPlace, TreesPlace
from tui.runs.lines import STATUS, age, in_short, share_done
from tui.screens.base import LIVE_SECONDS, MAIN
from tui.screens.marking import MARKED, MarkingScreen
from tui.snapshots import RunList, read_progress, read_run, read_runs
from tui.styled import line
from tui.taking import Taken, command
from tui.text import count, label
from tui.widgets.lines import LinesPane
from tui.widgets.table import Column, ListTable, Row, RowTable, cell, right

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.app import ComposeResult

    from store.index.headline import Headline
    from store.index.reader import StoreReader
    from store.queries import Side
    from store.records import Progress, RunSummary
    from tui.snapshots import RunDetail
    from tui.styled import Line

_COLUMNS = ("run", "status", "held-out accuracy", "begun", "trees", "phase", "tokens", "recipe")

_ORDERS: dict[str, Callable[[RunSummary, Headline | None], Any]] = {
    "begun": lambda run, _: run.created,
    "run": lambda run, _: run.name,
    "held-out accuracy": lambda _, found: -1.0 if found is None else found.last.accuracy,
    "trees": lambda run, _: run.trees,
    "tokens": lambda run, _: run.policy_tokens,
    "recipe": lambda run, _: run.recipe,
    "status": lambda run, _: run.status,
}
"""What runs are ordered by."""

_DOWN = ("begun", "held-out accuracy", "trees", "tokens")
"""Orders that begin with the largest."""


class RunsInput(Input):
    """The text that runs are looked for by; escape and enter go back to the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,down", "leave", "To the table", show=False, id="runs.leave-filter"),
    ]

    def action_leave(self) -> None:
        self.screen.query_one("#runs", RowTable).focus()


class RunsScreen(MarkingScreen):
    """The first screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "trees", "Trees", tooltip="All searches of the run", id="runs.trees"),
        Binding("slash", "find", "Find", key_display="/", id="runs.find"),
        Binding("o", "sort", "Sort", tooltip="Sort by the next column", id="runs.sort"),
        Binding("O", "reverse", "Reverse the order", show=False, id="runs.reverse"),
        Binding("x", "clear", "Show all runs", show=False, id="runs.clear"),
    ]
    LEGEND = RUNS
    AUTO_FOCUS = "#runs"

    def __init__(self, reader: StoreReader) -> None:
        super().__init__(reader, f"runs in {label(str(reader.root), 200)}")
        self.list: RunList | None = None
        self.detail: RunDetail | None = None
        self._sorted_by, self._upwards = "begun", False
        self._asked: tuple[str, int | None] | None = None

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield RunsInput(placeholder="find in names, states, phases and recipes", compact=True, id="find")
        yield LinesPane("no-runs")
        yield ListTable("runs")
        yield LinesPane("detail")
        yield self.keys_bar()

    def on_mount(self) -> None:
        self.query_one("#runs", RowTable).set_columns([Column(title, title) for title in _COLUMNS])
        self.reload()
        self.set_interval(LIVE_SECONDS, self._look_at_progress)

    def on_resize(self) -> None:
        self._show_detail()

    def reload(self) -> None:
        self.read(MAIN, lambda reader: RunsRead(read_runs(reader)))

    def on_runs_read(self, message: RunsRead) -> None:
        self.caught_up(message.runs.version)
        self.list = found = message.runs
        self._fill()
        was_empty = self.has_class("empty")
        self.set_class(not found.runs, "empty")
        if was_empty and found.runs:
            # What was hidden has lost the focus; keys are no text to find before somebody asks for that.
            self.query_one("#runs", RowTable).focus()
        if not found.runs:
            self.query_one("#no-runs", LinesPane).show(
                _nothing(self.reader.root, found.near), keep_scroll=True
            )
        self._read_detail()

    def _look_at_progress(self) -> None:
        running = [] if self.list is None else [run for run in self.list.runs if run.status == "running"]
        if running and self.is_current:
            self.read("progress", lambda reader: RunsProgressRead(read_progress(reader, running)))

    def on_runs_progress_read(self, message: RunsProgressRead) -> None:
        self._fill(message.progress)

    def _fill(self, progress: dict[str, Progress] | None = None) -> None:
        """Show the runs that are looked for, in their order."""
        if self.list is None:
            return
        found, now = self.list, datetime.now(UTC)
        going = found.progress if progress is None else progress
        rows = [
            _run(
                run,
                found.headlines.get(run.name),
                going.get(run.name),
                now,
                marked=side_of_run(run.name) in self.marks,
            )
            for run in self._wanted()
        ]
        self.query_one("#runs", RowTable).fill(rows)

    def _wanted(self) -> list[RunSummary]:
        found = self.list
        if found is None:
            return []
        words = self.query_one("#find", RunsInput).value.casefold().split()
        kept = [run for run in found.runs if all(word in _text(run) for word in words)]
        order = _ORDERS[self._sorted_by]
        down = (self._sorted_by in _DOWN) != self._upwards
        return sorted(kept, key=lambda run: order(run, found.headlines.get(run.name)), reverse=down)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill()
        self._read_detail()

    def on_data_table_row_highlighted(self, event: RowTable.RowHighlighted) -> None:
        self._read_detail()

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        self.action_open()

    def on_data_table_header_selected(self, event: RowTable.HeaderSelected) -> None:
        name = event.column_key.value
        if name == self._sorted_by:
            self.action_reverse()
        elif name in _ORDERS:
            self._sorted_by, self._upwards = name, False
            self._fill()

    def _read_detail(self) -> None:
        run = self.query_one("#runs", RowTable).chosen
        if run is not None and self.list is not None and (run, self.seen) != self._asked:
            self._asked = (run, self.seen)
            self.read("detail", partial(_detail, run, _beside(run, self.list.runs)))

    def on_run_read(self, message: RunRead) -> None:
        if message.detail.run == self.query_one("#runs", RowTable).chosen:
            changed = self.detail is None or self.detail.run != message.detail.run
            self.detail = message.detail
            self._show_detail(from_top=changed)

    def _show_detail(self, *, from_top: bool = False) -> None:
        pane = self.query_one("#detail", LinesPane)
        if self.detail is not None:
            pane.show(in_short(self.detail, pane.room or self.size.width), keep_scroll=not from_top)

    def action_open(self) -> None:
        run = self.query_one("#runs", RowTable).chosen
        if run is not None:
            self.open(RunPlace(run))

    def side_here(self) -> Side | None:
        run = self.query_one("#runs", RowTable).chosen
        return None if run is None else side_of_run(run)

    def show_marks(self) -> None:
        self._fill()

    def action_trees(self) -> None:
        run = self.query_one("#runs", RowTable).chosen
        if run is not None:
            self.open(TreesPlace(run))

    def taken(self) -> Taken | None:
        run = self.query_one("#runs", RowTable).chosen
        if run is None:
            return None
        shown = command("restmcts", "show", run, "--root", str(self.reader.root))
        return Taken("the command", shown, shown)

    def action_find(self) -> None:
        self.query_one("#find", RunsInput).focus()

    def action_clear(self) -> None:
        self.query_one("#find", RunsInput).value = ""

    def action_sort(self) -> None:
        names = list(_ORDERS)
        self._sorted_by = names[(names.index(self._sorted_by) + 1) % len(names)]
        self._upwards = False
        self._fill()

    def action_reverse(self) -> None:
        self._upwards = not self._upwards
        self._fill()


def _detail(run: str, other: str | None, reader: StoreReader) -> RunRead:
    return RunRead(read_run(reader, run, other))


def _beside(run: str, runs: Sequence[RunSummary]) -> str | None:
    """The run to compare settings with: the one that was begun before, else the one after; None: no other.

    Runs are given the newest first.
    """
    names = [each.name for each in runs]
    place = names.index(run) if run in names else 0
    others = [*names[place + 1 :], *reversed(names[:place])]
    return others[0] if others else None


def _text(run: RunSummary) -> str:
    """What a run is found by."""
    return f"{run.name} {run.status} {run.phase or ''} {run.recipe}".casefold()


def _nothing(root: Path, near: Sequence[str]) -> list[Line]:
    """What to do where there is no run."""
    lines = [line(("no runs yet", "bold")), line(), line(f"There is no run in {label(str(root), 400)}.")]
    lines.append(line(f"A first one: restmcts iterate tiny --root {label(shlex.quote(str(root)), 400)}"))
    if near:
        lines += [line(), line("Stores near this folder:")]
        lines += [line(f"  restmcts tui --root {label(shlex.quote(each), 400)}") for each in near]
    return lines


def _run(
    run: RunSummary, found: Headline | None, progress: Progress | None, now: datetime, *, marked: bool
) -> Row:
    share = None if progress is None else share_done(progress)
    phase = run.phase if share is None else f"{label(run.phase, 20)} {share:.0%}"
    return run.name, (
        cell(f"{MARKED} {run.name}" if marked else run.name, 20),
        cell(run.status, 7, STATUS.get(run.status, "")),
        cell("-" if found is None else f"{found.method} {found.text}", 60),
        right(age(run.created, now)),
        right(count(run.trees)),
        cell(phase, 26),
        right(count(run.policy_tokens)),
        cell(run.recipe, 20),
    )
