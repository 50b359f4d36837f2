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


def print_value_figures(checkpoints: Sequence[Checkpoint]) -> None:
    """Print how good the value models of a run are on held-out trees; nothing where none was judged."""
    from restmcts.cli.console import print_table

    rows = value_rows(checkpoints)
    if rows:
        print_table("value models on held-out trees", COLUMNS, rows)


def value_rows(checkpoints: Sequence[Checkpoint]) -> list[tuple[object, ...]]:
    """A row for each value model that was judged, in the order of the checkpoints; unknown figures: empty."""
    judged = [made for made in checkpoints if "squared_error" in made.metrics]
    return [_row(made) for made in judged if made.kind in {START, "value"}]


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
