"""The charts of the page of a run, from what was read of it."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from store.index.headline import GREEDY
from tui.charts import Chart, Curve, averaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from store.records import Checkpoint, Evaluation
    from tui.runs.page import RunPage, Series

MOST = 5
"""So many methods are drawn by iteration."""

MARKS = string.ascii_lowercase

Way = tuple[str, int | None]
"""A method, and its budget in tokens."""

DEPTH = ".depth_"
CONTROL = "likelihood_sum."


def way(row: Evaluation) -> Way:
    """What a row of an evaluation measured."""
    return row.method, row.budget


def by_iteration(rows: Sequence[Evaluation]) -> dict[Way, list[Evaluation]]:
    """The methods that were measured in most iterations, greedy answers first: for each its last row each."""
    found: dict[Way, dict[int, Evaluation]] = {}
    for row in rows:
        if row.iteration is not None:
            found.setdefault(way(row), {})[row.iteration] = row
    order = sorted(found, key=lambda each: (each[0] != GREEDY, -len(found[each])))
    most = max((len(each) for each in found.values()), default=0)
    kept = [each for each in order if len(found[each]) > 1 or most < 2][:MOST]
    return {each: [found[each][iteration] for iteration in sorted(found[each])] for each in kept}


def accuracy_by_iteration(rows: Sequence[Evaluation]) -> Chart:
    """Accuracy in per cent after each iteration; the first curve with its 95 % intervals, which would hide
    each other."""
    curves: list[Curve] = []
    ticks: set[float] = set()
    for mark, found in zip(MARKS, by_iteration(rows).values(), strict=False):
        iterations = tuple(float(row.iteration or 0) for row in found)
        ticks.update(iterations)
        curves.append(_curve(mark, iterations, found, bounded=not curves))
    return Chart("accuracy by iteration, %", tuple(curves), tuple(sorted(ticks)))


def _curve(mark: str, places: tuple[float, ...], rows: Sequence[Evaluation], *, bounded: bool) -> Curve:
    bounds = tuple((100 * row.low, 100 * row.high) for row in rows) if bounded else ()
    return Curve(places, tuple(100 * row.accuracy for row in rows), mark, bounds)


def last_evaluation(rows: Sequence[Evaluation]) -> list[Evaluation]:
    """The rows with budgets of the phase that measured methods at budgets last."""
    phases = [row.phase for row in rows if row.budget is not None]
    return [row for row in rows if phases and row.phase == phases[-1] and row.budget is not None]


def by_budget(rows: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """The rows of :func:`last_evaluation` by method, each by its budget."""
    found: dict[str, list[Evaluation]] = {}
    for row in sorted(last_evaluation(rows), key=lambda row: row.budget or 0):
        found.setdefault(row.method, []).append(row)
    return found


def accuracy_by_budget(rows: Sequence[Evaluation]) -> Chart:
    """Accuracy in per cent against what a problem took in tokens, after the last iteration."""
    curves = [
        Curve(
            tuple(row.policy_tokens for row in found),
            tuple(100 * row.accuracy for row in found),
            mark.upper(),
        )
        for mark, found in zip(MARKS, by_budget(rows).values(), strict=False)
    ]
    return Chart("accuracy by tokens a problem, %", tuple(curves))


def losses(page: RunPage) -> Chart:
    """The losses of all trainings, one after the other, on a log axis."""
    curves: list[Curve] = []
    start = 0.0
    for each in page.series:
        if each.name == "loss":
            curves.append(averaged([start + step for step in each.steps], each.values))
            start += max(each.steps) + 1
    return Chart("losses by update, one training after the other (log)", tuple(curves), log=True)


def course(series: Series | None, *, log: bool) -> Chart | None:
    """One metric by training step."""
    if series is None:
        return None
    title = f"{series.phase} {series.name}{' (log)' if log else ''}"
    return Chart(title, (averaged(series.steps, series.values),), log=log)


def judged(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The value models that were judged on held-out trees."""
    return [made for made in checkpoints if "squared_error" in made.metrics]


def figure_by_depth(made: Checkpoint, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A figure of a value model by depth: the depths in steps, and the figures."""
    prefix = f"{name}{DEPTH}"
    found = {
        int(key.removeprefix(prefix)): float(value)
        for key, value in made.metrics.items()
        if key.startswith(prefix) and key.removeprefix(prefix).isdecimal()
    }
    return tuple(map(float, sorted(found))), tuple(found[depth] for depth in sorted(found))


def auc_by_depth(made: Checkpoint | None) -> Chart | None:
    """AUC of a value model by depth beside that of the log-probability of the steps."""
    if made is None:
        return None
    curves = (
        Curve(*figure_by_depth(made, "auc"), "v"),
        Curve(*figure_by_depth(made, f"{CONTROL}auc"), "l"),
    )
    return Chart("AUC by depth: v value model, l log-probability alone", curves, curves[0].xs)


def calibration_by_depth(made: Checkpoint | None) -> Chart | None:
    """The calibration error of a value model by depth."""
    if made is None:
        return None
    curve = Curve(*figure_by_depth(made, "calibration_error"), "c")
    return Chart("calibration error by depth", (curve,), curve.xs)
