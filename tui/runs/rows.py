"""The tables of the page of a run: their columns, and their rows from what was read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tui.runs.charts import CONTROL, judged
from tui.runs.lines import STATUS, number
from tui.text import count, label, seconds
from tui.widgets.table import Row, cell, right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from store.records import Checkpoint, Evaluation, PhaseSummary, SampleSummary
    from tui.runs.page import Differences, RunPage, Series

COLUMNS = {
    "phases": ("phase", "status", "trees", "correct", "time", "tokens/s", "busy", "summary"),
    "evaluations": (
        "phase",
        "method",
        "budget",
        "acc %",
        "95 %",
        "tokens",
        "problems",
        "value tokens",
    ),
    "models": (
        "model",
        "AUC",
        "95 %",
        "control AUC",
        "calibration",
        "slope",
        "error F1",
        "control F1",
        "squared error",
        "near label",
        "carried on",
    ),
    "metrics": ("metric", "phase", "last", "low", "high", "count"),
    "settings": ("setting", "this run", "the other run"),
    "samples": ("phase", "no", "kind", "trees", "steps", "value", "problem", "text"),
}

ORDERS: dict[str, Callable[[Evaluation], Any]] = {
    "made": lambda row: 0,
    "accuracy": lambda row: row.accuracy,
    "tokens": lambda row: row.policy_tokens,
    "method": lambda row: row.method,
    "budget": lambda row: -1 if row.budget is None else row.budget,
}
"""What evaluations are ordered by; those that are equal stay as they were made."""

_SHORT = ("checkpoint", "parent", "samples_from", "rows", "policy")
"""What a summary of a phase has that other columns and tabs show better."""


_METHOD = 26
"""The least room for the name of a method, in cells."""

_BESIDE_METHOD = 90
"""What the other columns of an evaluation take at most, in cells."""

_SETTING, _VALUE = 34, 18
"""The least room for the name of a setting and for its value, in cells: both values fit 80 columns."""

_METRIC = 28
"""The least room for the name of a metric, in cells."""

_BESIDE_METRIC = 62
"""What the other columns of a metric take at most, in cells."""


def phase_rows(page: RunPage) -> list[Row]:
    """The phases, in the order in which they started."""
    return [_phase(page, phase) for phase in page.phases]


def _phase(page: RunPage, phase: PhaseSummary) -> Row:
    speed = page.metric(phase.name, "engine.policy.tokens_per_second")
    busy = page.metric(phase.name, "engine.policy.busy")
    unknown = not phase.graded and phase.trees
    return phase.name, (
        cell(phase.name, 20),
        cell(phase.status, 7, STATUS.get(phase.status, "")),
        right(count(phase.trees) if phase.trees else "-"),
        right("not graded" if unknown else count(phase.correct) if phase.trees else "-"),
        right(seconds(phase.seconds)),
        right("-" if speed is None else count(round(speed))),
        right("-" if busy is None else f"{busy:.0%}"),
        cell(summary_text(phase.summary), 160),
    )


def summary_text(summary: Mapping[str, Any]) -> str:
    """The figures of a phase on one line: names and numbers; of figures with a dot in the name none."""
    shown = [
        f"{label(name.replace('_', ' '), 30)} {number(value)}"
        for name, value in summary.items()
        if name not in _SHORT and "." not in name and not isinstance(value, list | dict)
    ]
    return ", ".join(shown)


def evaluation_rows(
    rows: Sequence[Evaluation], marks: Sequence[str], order: str, *, descending: bool, width: int
) -> list[Row]:
    """The evaluations in an order of :data:`ORDERS`; the key of a row is its place among those made.

    ``marks`` has for each of them what stands before its method. Names of methods are as long as ``width``,
    in cells, has room for beside the figures.
    """
    room = max(_METHOD, width - _BESIDE_METHOD)
    places = sorted(range(len(rows)), key=lambda place: ORDERS[order](rows[place]))
    if descending:
        places.reverse()
    return [(f"{place}", _evaluation(rows[place], marks[place], room)) for place in places]


def _evaluation(row: Evaluation, mark: str, room: int) -> tuple[Any, ...]:
    return (
        cell(row.phase, 18),
        cell(f"{mark} {row.method}" if mark else row.method, room),
        right("-" if row.budget is None else count(row.budget)),
        right(f"{100 * row.accuracy:.1f}", "value", row.accuracy),
        right(f"{100 * row.low:.1f} to {100 * row.high:.1f}"),
        right(count(round(row.policy_tokens))),
        right(f"{row.correct:,}/{row.problems:,}"),
        right(count(round(row.value_tokens))),
    )


def model_rows(checkpoints: Iterable[Checkpoint]) -> list[Row]:
    """The value models that were judged on held-out trees, in the order in which they were made."""
    return [(made.path, _model(made)) for made in judged(checkpoints)]


def _model(made: Checkpoint) -> tuple[Any, ...]:
    figures = made.metrics
    low, high = figure(figures, "auc.low"), figure(figures, "auc.high")
    chance = " chance" if figures.get("at_chance") else ""
    return (
        cell(f"{made.iteration}/{made.kind}", 16),
        right(figure(figures, "auc"), "value", _share(figures.get("auc"))),
        right(f"{low} to {high}{chance}"),
        right(figure(figures, f"{CONTROL}auc")),
        right(figure(figures, "calibration_error")),
        right(figure(figures, "calibration_slope")),
        right(figure(figures, "first_error.f1")),
        right(figure(figures, "likelihood.first_error.f1")),
        right(figure(figures, "squared_error", 4)),
        right(figure(figures, "near")),
        cell("yes" if made.carried else "no", 3, "good" if made.carried else "dim"),
    )


def figure(figures: Mapping[str, Any], name: str, digits: int = 3) -> str:
    """A figure of a checkpoint; ``-`` where it was not measured."""
    value = figures.get(name)
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"


def _share(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def metric_rows(series: Iterable[Series], width: int) -> list[Row]:
    """All metrics, those with many values first; names as long as ``width``, in cells, has room for."""
    room = max(_METRIC, width - _BESIDE_METRIC)
    return [_metric(each, room) for each in sorted(series, key=lambda each: len(each.values) == 1)]


def _metric(series: Series, room: int) -> Row:
    return series.key, (
        cell(series.name, room),
        cell(series.phase, 16),
        right(number(series.values[-1])),
        right(number(min(series.values))),
        right(number(max(series.values))),
        right(count(len(series.values))),
    )


def setting_rows(
    settings: Mapping[str, Any], differences: Differences | None, *, only_different: bool, width: int
) -> list[Row]:
    """The settings of a run; what another run has otherwise stands beside it, in ``width`` cells in all."""
    others = {} if differences is None else {each.key: each.b for each in differences.settings}
    keys = sorted(others if only_different else settings.keys() | others)
    name = max(_SETTING, width // 5)
    value = max(_VALUE, (width - name) // 2 - 5)
    return [(key, _setting(key, settings, others, name, value)) for key in keys]


def _setting(
    key: str, settings: Mapping[str, Any], others: Mapping[str, object], name: int, width: int
) -> tuple[Any, ...]:
    different = key in others
    return (
        cell(key, name, "bold" if different else ""),
        cell(_shown(settings[key]) if key in settings else "-", width, "mark" if different else ""),
        cell(_shown(others[key]) if different else "", width, "mark"),
    )


def _shown(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    return json.dumps(value, ensure_ascii=False)


def sample_rows(samples: Iterable[SampleSummary]) -> list[Row]:
    """The samples of a page."""
    return [(f"{place}", _sample(sample)) for place, sample in enumerate(samples)]


def _sample(sample: SampleSummary) -> tuple[Any, ...]:
    trees = sample.trees[0] if sample.trees else "-"
    more = f" +{len(sample.trees) - 1}" if len(sample.trees) > 1 else ""
    return (
        cell(sample.phase, 14),
        right(f"{sample.number}"),
        cell(sample.kind, 13),
        cell(f"{trees}{more}", 18),
        right(f"{sample.steps}"),
        right("-" if sample.value is None else f"{sample.value:.3f}"),
        cell(sample.problem, 18),
        cell(sample.text[:400], 80),
    )
