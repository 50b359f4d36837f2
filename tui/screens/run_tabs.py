"""The tabs of the page of a run, and the widgets on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.widgets import TabbedContent, TabPane

from tui.widgets.chart import ChartPane
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import ListTable, RowTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tui.styled import Line


def run_tabs(
    method: Callable[[], Line], against: Callable[[], Line], samples: Callable[[], Line]
) -> ComposeResult:
    """The tabs; the functions say what stands below the evaluations, above the settings and the samples."""
    with TabbedContent(id="tabs"):
        with TabPane("1 Overview", id="overview-tab"), Horizontal():
            with Vertical(id="curves"):
                yield ChartPane("iterations")
                yield ChartPane("budgets")
                yield ChartPane("losses")
            yield LinesPane("overview")
        with TabPane("2 Phases", id="phases-tab"):
            yield ListTable("phases")
        with TabPane("3 Evaluation", id="evaluation-tab"):
            yield ListTable("evaluations")
            yield LinesBar("method", lambda _: [method()])
        with TabPane("4 Value", id="value-tab"):
            yield RowTable("models")
            with Horizontal():
                yield ChartPane("auc")
                yield ChartPane("calibration")
        with TabPane("5 Training", id="training-tab"), Horizontal():
            yield RowTable("metrics")
            yield ChartPane("course")
        with TabPane("6 Recipe", id="recipe-tab"):
            yield LinesBar("against", lambda _: [against()])
            yield RowTable("settings")
        with TabPane("7 Samples", id="samples-tab"):
            yield LinesBar("place", lambda _: [samples()])
            yield ListTable("samples")
