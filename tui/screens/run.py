"""One run: did it get better, what did it take, and how good are its value models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import TabbedContent

from store.queries import Side, TreeFilter
from tui.legend import RUN
from tui.messages import DifferencesRead, ProgressRead, RunPageRead, SamplesRead
from tui.places import Place, ReplayPlace, RunsPlace, TreesPlace
from tui.runs import charts
from tui.runs import rows as run_rows
from tui.runs.lines import against_line, live_lines, method_line, overview, run_line, samples_line
from tui.runs.page import (
    Differences,
    RunPage,
    SamplePage,
    read_differences,
    read_run_page,
    read_samples,
)
from tui.screens.base import LIVE_SECONDS, MAIN
from tui.screens.marking import MARKED, MarkingScreen
from tui.screens.run_tabs import run_tabs
from tui.styled import line
from tui.text import label
from tui.widgets.chart import ChartPane
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import Column, ListTable, RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from store.records import Evaluation, WorkerFigures
    from tui.styled import Line

WIDE = 110
"""Cells from which on there is room for three charts on the first tab."""

_TABS = {
    "overview": "overview",
    "phases": "phases",
    "evaluation": "evaluations",
    "value": "models",
    "training": "metrics",
    "recipe": "settings",
    "samples": "samples",
}
"""The tabs, in the order of their keys, and what has the focus on each."""

_ONLY_ON = {
    "sort": "evaluation",
    "reverse": "evaluation",
    "log": "training",
    "against": "recipe",
    "only_different": "recipe",
    "turn": "samples",
}
"""Actions that belong to one tab."""


class RunScreen(MarkingScreen):
    """The run ``run``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "trees", "Trees", tooltip="All searches of the run", id="run.trees"),
        Binding("o", "sort", "Sort", tooltip="Order evaluations by the next column", id="run.sort"),
        Binding("O", "reverse", "Reverse the order", show=False, id="run.reverse"),
        Binding("l", "log", "Log", tooltip="Logarithmic or linear axis", id="run.log"),
        Binding(
            "d", "against", "Against", tooltip="Compare the settings with the next run", id="run.against"
        ),
        Binding("a", "only_different", "All", tooltip="All settings or different ones", id="run.all"),
        Binding("n", "turn(1)", "Next page", id="run.next"),
        Binding("b", "turn(-1)", "Previous page", show=False, id="run.previous"),
        *(
            Binding(f"{place}", f"tab('{name}')", name.capitalize(), show=False, id=f"run.{name}")
            for place, name in enumerate(_TABS, 1)
        ),
    ]
    LEGEND = RUN
    AUTO_FOCUS = "#overview"

    def __init__(self, reader: StoreReader, run: str) -> None:
        super().__init__(reader, label(run, 40))
        self.run_name = run
        self.page: RunPage | None = None
        self.samples: SamplePage | None = None
        self.differences: Differences | None = None
        self._ordered_by, self._descending = "made", False
        self._log_axis = True
        self._only_different = False
        self._stale: set[str] = set()

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield LinesBar("head", self._head)
        yield from run_tabs(
            lambda: method_line(self.evaluation_here()),
            lambda: against_line(self.differences),
            lambda: samples_line(self.samples),
        )
        yield self.keys_bar()

    def on_mount(self) -> None:
        for name, columns in run_rows.COLUMNS.items():
            self.query_one(f"#{name}", RowTable).set_columns([Column(title, title) for title in columns])
        self.reload()
        self.set_interval(LIVE_SECONDS, self._look_at_progress)

    def on_resize(self) -> None:
        self.set_class(self.size.width < WIDE, "narrow")
        self._stale |= {"overview", "evaluation", "training", "recipe"}
        self._show_tab()

    def above(self) -> Place:
        return RunsPlace()

    def reload(self) -> None:
        self.read(MAIN, partial(_page, self.run_name))

    def on_run_page_read(self, message: RunPageRead) -> None:
        self.caught_up(message.page.version)
        self.page = message.page
        self._show_head()
        self._stale = set(_TABS)
        self._show_tab()

    def _show_tab(self) -> None:
        """Show on the tab in sight what was read last; the others wait until somebody looks at them."""
        tab = self._tab
        if tab not in self._stale:
            return
        self._stale.discard(tab)
        {
            "overview": self._show_overview,
            "phases": self._fill_phases,
            "evaluation": self._fill_evaluations,
            "value": self._fill_models,
            "training": self._fill_metrics,
            "recipe": self._fill_settings,
            "samples": self._read_samples,
        }[tab]()

    @property
    def _tab(self) -> str:
        return self.query_one(TabbedContent).active.removesuffix("-tab")

    def _read_samples(self) -> None:
        self._turn_to(0 if self.samples is None else self.samples.page)

    def _look_at_progress(self) -> None:
        if self.page is not None and self.page.run.status == "running" and self.is_current:
            self.read("progress", partial(_progress, self.run_name))

    def on_progress_read(self, message: ProgressRead) -> None:
        if self.page is not None:
            before, self.page = self.page, replace(self.page, progress=message.progress)
            self._show_head()
            if _workers(before) != _workers(self.page):
                self._show_overview()

    def _show_head(self) -> None:
        page = self.page
        self.set_class(page is not None and bool(page.progress or page.under_way), "live")
        self.query_one("#head", LinesBar).update()

    def _head(self, width: int) -> Sequence[Line]:
        if self.page is None:
            return [line(("reading …", "dim"))]
        now, page = datetime.now(UTC), self.page
        first = run_line(page.run, page.seconds, now)
        phase = page.under_way
        if page.progress is not None:
            phase = next((each for each in page.phases if each.name == page.progress.phase), None)
        return [first, *live_lines(page.progress, phase, now)]

    def _show_overview(self) -> None:
        if self.page is None:
            return
        rows = self.page.evaluations
        self.query_one("#iterations", ChartPane).show(charts.accuracy_by_iteration(rows))
        self.query_one("#budgets", ChartPane).show(charts.accuracy_by_budget(rows))
        self.query_one("#losses", ChartPane).show(charts.losses(self.page))
        pane = self.query_one("#overview", LinesPane)
        pane.show(overview(self.page, pane.room or self.size.width), keep_scroll=True)

    def _fill_phases(self) -> None:
        if self.page is not None:
            self.query_one("#phases", RowTable).fill(run_rows.phase_rows(self.page))

    def _fill_models(self) -> None:
        if self.page is not None:
            self.query_one("#models", RowTable).fill(run_rows.model_rows(self.page.checkpoints))
            self._show_model()

    def _fill_metrics(self) -> None:
        if self.page is not None:
            self.query_one("#metrics", RowTable).fill(
                run_rows.metric_rows(self.page.series, self.size.width // 2)
            )
            self._show_course()

    def _fill_evaluations(self) -> None:
        if self.page is not None:
            marks = [MARKED if self._side(row) in self.marks else "" for row in self.page.evaluations]
            rows = run_rows.evaluation_rows(
                self.page.evaluations,
                marks,
                self._ordered_by,
                descending=self._descending,
                width=self.size.width,
            )
            self.query_one("#evaluations", RowTable).fill(rows)
            self.query_one("#method", LinesBar).update()

    def _fill_settings(self) -> None:
        """Show the settings, and beside them what the chosen other run has otherwise, when it was read."""
        if self.page is None:
            return
        self._show_settings()
        others = self.page.others
        known = None if self.differences is None else self.differences.other
        if others:
            self._compare_with(known if known in others else others[0])

    def _show_settings(self) -> None:
        if self.page is None:
            return
        rows = run_rows.setting_rows(
            self.page.settings,
            self.differences,
            only_different=self._only_different,
            width=self.size.width,
        )
        self.query_one("#settings", RowTable).fill(rows)
        self.query_one("#against", LinesBar).update()

    def _show_model(self) -> None:
        chosen = self.query_one("#models", RowTable).chosen
        made = (
            next((each for each in self.page.checkpoints if each.path == chosen), None) if self.page else None
        )
        self.query_one("#auc", ChartPane).show(charts.auc_by_depth(made))
        self.query_one("#calibration", ChartPane).show(charts.calibration_by_depth(made))

    def _show_course(self) -> None:
        chosen = self.query_one("#metrics", RowTable).chosen
        series = next((each for each in self.page.series if each.key == chosen), None) if self.page else None
        self.query_one("#course", ChartPane).show(charts.course(series, log=self._log_axis))

    def on_data_table_row_highlighted(self, event: RowTable.RowHighlighted) -> None:
        if event.data_table.id == "models":
            self._show_model()
        elif event.data_table.id == "metrics":
            self._show_course()
        elif event.data_table.id == "evaluations":
            self.query_one("#method", LinesBar).update()

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        opening = {
            "phases": self._open_phase,
            "evaluations": self._open_evaluation,
            "samples": self._open_sample,
        }.get(event.data_table.id or "")
        chosen = event.data_table.chosen if isinstance(event.data_table, RowTable) else None
        if opening is not None and chosen is not None:
            opening(chosen)

    def _open_phase(self, phase: str) -> None:
        """The trees of a phase, or what it measured where it has none."""
        found = next((each for each in self.page.phases if each.name == phase), None) if self.page else None
        if found is not None and found.trees:
            self.open(TreesPlace(self.run_name, phase, filter=TreeFilter(self.run_name, phases=(phase,))))
            return
        keys = [row.key for row in self.page.series if row.phase == phase] if self.page else []
        if keys:
            self.action_tab("training")
            self.query_one("#metrics", RowTable).choose(keys[0])

    def evaluation_here(self) -> Evaluation | None:
        """The row of an evaluation that is under the cursor; None on other tabs."""
        chosen = self.query_one("#evaluations", RowTable).chosen
        if self.page is None or chosen is None or self._tab != "evaluation":
            return None
        return self.page.evaluations[int(chosen)]

    def side_here(self) -> Side | None:
        row = self.evaluation_here()
        return None if row is None else self._side(row)

    def _side(self, row: Evaluation) -> Side:
        return Side(self.run_name, row.phase, row.method, row.rule, row.budget)

    def show_marks(self) -> None:
        self._stale.add("evaluation")
        self._show_tab()

    def _open_evaluation(self, _: str) -> None:
        row = self.evaluation_here()
        if row is not None:
            wanted = TreeFilter(self.run_name, phases=(row.phase,), asked=row.searches)
            self.open(TreesPlace(self.run_name, row.phase, filter=wanted))

    def _open_sample(self, chosen: str) -> None:
        trees = self.samples.samples[int(chosen)].trees if self.samples else ()
        if trees:
            self.open(ReplayPlace(self.run_name, trees[0], trees))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in _ONLY_ON or _ONLY_ON[action] == self._tab

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        self.refresh_bindings()
        self._show_tab()

    def action_tab(self, tab: str) -> None:
        self.query_one(TabbedContent).active = f"{tab}-tab"
        self._show_tab()
        self.query_one(f"#{_TABS[tab]}").focus()

    def action_trees(self) -> None:
        self.open(TreesPlace(self.run_name))

    def action_sort(self) -> None:
        orders = list(run_rows.ORDERS)
        self._ordered_by = orders[(orders.index(self._ordered_by) + 1) % len(orders)]
        self._fill_evaluations()

    def action_reverse(self) -> None:
        self._descending = not self._descending
        self._fill_evaluations()

    def action_log(self) -> None:
        self._log_axis = not self._log_axis
        self._show_course()

    def action_only_different(self) -> None:
        self._only_different = not self._only_different
        self._show_settings()

    def action_against(self) -> None:
        others = self.page.others if self.page else ()
        if others:
            now = self.differences.other if self.differences else None
            place = others.index(now) + 1 if now in others else 0
            self._compare_with(others[place % len(others)])

    def _compare_with(self, other: str) -> None:
        self.read("settings", partial(_differences, self.run_name, other))

    def on_differences_read(self, message: DifferencesRead) -> None:
        self.differences = message.differences
        self._show_settings()

    def on_list_table_past_end(self, event: ListTable.PastEnd) -> None:
        if self._tab == "samples":
            self.action_turn(event.pages)

    def action_turn(self, pages: int) -> None:
        if self.samples is not None:
            page = min(max(self.samples.page + pages, 0), self.samples.last)
            if page != self.samples.page:
                self._turn_to(page)

    def _turn_to(self, page: int) -> None:
        self.read("samples", partial(_samples, self.run_name, page))

    def on_samples_read(self, message: SamplesRead) -> None:
        turned = self.samples is None or self.samples.page != message.page.page
        self.samples = message.page
        table = self.query_one("#samples", RowTable)
        table.fill(run_rows.sample_rows(message.page.samples))
        if turned:
            table.move_cursor(row=0)
        self.query_one("#place", LinesBar).update()


def _page(run: str, reader: StoreReader) -> RunPageRead:
    return RunPageRead(read_run_page(reader, run))


def _workers(page: RunPage) -> tuple[WorkerFigures, ...]:
    return () if page.progress is None else page.progress.workers


def _progress(run: str, reader: StoreReader) -> ProgressRead:
    return ProgressRead(reader.progress(run))


def _differences(run: str, other: str, reader: StoreReader) -> DifferencesRead:
    return DifferencesRead(read_differences(reader, run, other))


def _samples(run: str, page: int, reader: StoreReader) -> SamplesRead:
    return SamplesRead(read_samples(reader, run, page))
