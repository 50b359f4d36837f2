"""The figures of a run's value models as a table, one row a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restmcts.loops.run import START
from store.records import Checkpoint

COLUMNS = (
    "model",
    "carried on",
    "AUC",
    "95 %",
    "control AUC",
    "error F1",
    "control F1",
    "squared error",
    "near label",
    "calibration",
    "length bias",
)
"""The control is the log-probability of the steps under the policy. The F1 is that of finding first errors,
and calibration the expected calibration error; the length bias is among good and among bad steps."""

BY_DEPTH = {
    "AUC by depth: value model / log-probability as control": ("auc", "likelihood_sum.auc"),
    "calibration error by depth": ("calibration_error",),
}
"""Tables with a row for each depth and a column for each model, and the figures in a cell."""

_DEPTH = ".depth_"


def print_value_figures(checkpoints: Sequence[Checkpoint]) -> None:
    """Print how good the value models of a run are on held-out trees; nothing where none was judged."""
    from restmcts.cli.output.console import print_table

    rows = value_rows(checkpoints)
    if rows:
        print_table("value models on held-out trees", COLUMNS, rows)
    for title, names in BY_DEPTH.items():
        columns, cells = depth_rows(checkpoints, names)
        if cells:
            print_table(title, columns, cells)


def value_rows(checkpoints: Sequence[Checkpoint]) -> list[tuple[object, ...]]:
    """A row for each value model that was judged, in the order of the checkpoints; unknown figures: empty."""
    return [_row(made) for made in _judged(checkpoints)]


def depth_rows(
    checkpoints: Sequence[Checkpoint], names: Sequence[str]
) -> tuple[list[str], list[list[object]]]:
    """A table of figures by depth: a row for each depth in steps, a column for each judged value model."""
    judged = _judged(checkpoints)
    prefix = f"{names[0]}{_DEPTH}"
    depths = {
        int(depth)
        for made in judged
        for name in made.metrics
        if name.startswith(prefix) and (depth := name.removeprefix(prefix)).isdecimal()
    }
    rows: list[list[object]] = [
        [depth, *(_at_depth(made.metrics, names, depth) for made in judged)] for depth in sorted(depths)
    ]
    return ["depth", *(f"{made.iteration}/{made.kind}" for made in judged)], rows


def _judged(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    judged = [made for made in checkpoints if "squared_error" in made.metrics]
    return [made for made in judged if made.kind in {START, "value"}]


def _at_depth(figures: Mapping[str, Any], names: Sequence[str], depth: int) -> str:
    shown = [_figure(figures, f"{name}{_DEPTH}{depth}") for name in names]
    return " / ".join(text or "–" for text in shown) if any(shown) else ""


def _row(made: Checkpoint) -> tuple[object, ...]:
    figures = made.metrics
    low, high = _figure(figures, "auc.low", 2), _figure(figures, "auc.high", 2)
    interval = f"{low}–{high}" if low and high else ""
    chance = " no better than chance" if figures.get("at_chance") else ""
    return (
        f"{made.iteration}/{made.kind}",
        "yes" if made.carried else "no",
        _figure(figures, "auc"),
        interval + chance,
        _figure(figures, "likelihood_sum.auc"),
        _figure(figures, "first_error.f1"),
        _figure(figures, "likelihood.first_error.f1"),
        _figure(figures, "squared_error", 4),
        _figure(figures, "near"),
        _figure(figures, "calibration_error"),
        " / ".join(_figure(figures, f"length_bias.{kind}", 2) or "–" for kind in ("good", "bad")),
    )


def _figure(figures: Mapping[str, Any], name: str, digits: int = 3) -> str:
    value = figures.get(name)
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""
