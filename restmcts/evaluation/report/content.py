"""Everything that a report says about stored runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from restmcts.evaluation.comparison.runs import Arm, RunFigures
from restmcts.evaluation.comparison.tables import (
    Comparison,
    MethodComparison,
    Table,
    arm_tables,
    method_tables,
    share,
)
from restmcts.evaluation.reading.ceiling import is_ceiling
from restmcts.evaluation.report.searches import ENDINGS, Ended, ProblemGroup, failures, problem_groups
from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.values.calibration import Calibration, calibrate
from restmcts.evaluation.values.resampling import Resampling
from restmcts.evaluation.verdicts import Verdict, Where

BINS = 10
"""Bins of a calibration curve."""

NAMED = 4
"""So many arms are named in the title."""

LEAST = 20
"""Fewer pairs of a figure and a verdict say nothing about calibration."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as the report names it; ``root`` and ``run`` are how commands find it."""

    name: str
    root: str
    run: str
    recipe: str
    seed: int
    status: str
    created: str
    version: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure that claims to be a chance, and whether what it was said of is right."""

    problem: str
    said: float
    right: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """How often what was said to be right so and so often is right.

    ``kind`` says what was asked: ``value``, the value model about whole solutions, or ``confidence``, an
    answer rule about its answer.
    """

    kind: str
    name: str
    pairs: int
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Leader:
    """The most accurate side at a point, and how many of the others it is shown to lead."""

    point: Where
    name: str
    accuracy: str
    leads: int
    others: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says; tables that have no rows and groups without problems are not shown.

    ``notes`` says what could not be read. ``plain`` are the tables of value models, as they are in the index.
    """

    title: str
    runs: tuple[RunLine, ...]
    arms: Comparison
    methods: MethodComparison
    leaders: tuple[Leader, ...]
    arm_leaders: tuple[Leader, ...]
    curves: tuple[Curve, ...]
    failures: Table
    settings: Table
    values: Table
    groups: tuple[ProblemGroup, ...]
    notes: tuple[str, ...]

    def tables(self) -> dict[str, list[Table]]:
        """The tables of each section that have rows."""
        arms, accuracy, differences, spent, *figures = arm_tables(self.arms)
        found = {
            "runs": [_run_table(self.runs), *([arms] if len(self.runs) > 1 else [])],
            "methods": method_tables(self.methods),
            "iterations": [accuracy, differences, *figures],
            "calibration": [_curve_table(self.curves), self.values],
            "cost": [spent],
            "failures": [self.failures],
            "settings": [self.settings],
        }
        return {section: [table for table in tables if table.rows] for section, tables in found.items()}


def make_report(
    runs: Sequence[RunLine],
    figures: Sequence[RunFigures],
    arms: Comparison,
    methods: MethodComparison,
    *,
    searches: Sequence[Ended],
    pairs: Mapping[tuple[str, str], Sequence[Pair]],
    values: Table,
    notes: Sequence[str],
) -> Report:
    """Put together what was read of runs.

    Args:
        runs: the runs.
        figures: the same runs, as comparisons see them.
        arms: what arms show.
        methods: what methods show.
        searches: how searches ended.
        pairs: what was said to be right, by kind and name; see :class:`Curve`.
        values: the table of value models.
        notes: what could not be read.
    """
    return Report(
        title=_title([arm.name for arm in arms.arms]),
        runs=tuple(runs),
        arms=arms,
        methods=methods,
        leaders=tuple(method_leaders(methods)),
        arm_leaders=tuple(arm_leaders(arms)),
        curves=tuple(curves(pairs)),
        failures=_failure_table(searches),
        settings=settings_table(arms.arms, figures),
        values=values,
        groups=tuple(problem_groups(searches)),
        notes=tuple(dict.fromkeys(notes)),
    )


def curves(pairs: Mapping[tuple[str, str], Sequence[Pair]]) -> list[Curve]:
    """Calibration curves of everything that was said of enough, with intervals over problems."""
    found = []
    for (kind, name), rows in sorted(pairs.items()):
        if len(rows) < LEAST:
            continue
        groups = [row.problem for row in rows]
        drawn = Resampling(groups, 500, 0)
        said = np.clip(np.array([row.said for row in rows], dtype=np.float64), 0.0, 1.0)
        right = np.array([row.right for row in rows], dtype=np.float64)
        found.append(Curve(kind, name, len(rows), calibrate(said, right, drawn.members(groups), drawn, BINS)))
    return found


def method_leaders(found: MethodComparison) -> list[Leader]:
    """The most accurate method at each budget at which several were measured; a ceiling is none."""
    rows = [
        (row.method, row.point, row.accuracy, row.policy_tokens)
        for row in found.accuracies
        if not is_ceiling(row.method)
    ]
    return _leaders(rows, found.verdicts)


def arm_leaders(found: Comparison) -> list[Leader]:
    """The most accurate arm at each point of the latest verdicts."""
    points = {row.point for row in found.latest}
    rows = [
        (row.arm, row.point, row.accuracy, row.policy_tokens)
        for row in found.accuracies
        if row.point in points
    ]
    return _leaders(rows, found.verdicts)


def _leaders(rows: Sequence[tuple[str, Where, Interval, float]], found: Sequence[Verdict]) -> list[Leader]:
    """The most accurate of rows of name, point, accuracy and tokens at each point; of equals the cheapest."""
    leaders = []
    for point in dict.fromkeys(row[1] for row in rows):
        here = [row for row in rows if row[1] == point]
        name, _, accuracy, _ = max(here, key=lambda row: (row[2].value, -row[3]))
        leads = [row for row in found if row.point == point and row.shown and row.leader == name]
        if len(here) > 1:
            leaders.append(Leader(point, name, share(accuracy)[0], len(leads), len(here) - 1))
    return leaders


def _title(names: Sequence[str]) -> str:
    if not names:
        return "no runs"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def settings_table(arms: Sequence[Arm], figures: Sequence[RunFigures]) -> Table:
    """The settings in which arms differ, a column for each arm; of a single arm, all that its recipe sets."""
    recipes: list[Mapping[str, Any]] = [
        {"recipe": arm.runs[0].recipe, **arm.runs[0].settings} for arm in arms if arm.runs
    ]
    keys = sorted({key for recipe in recipes for key in recipe})
    if len(arms) > 1:
        keys = [key for key in keys if len({repr(recipe.get(key)) for recipe in recipes}) > 1]
    rows: list[list[object]] = [[key, *(_setting(recipe.get(key)) for recipe in recipes)] for key in keys]
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(run.seed for run in figures))
    if figures:
        rows.insert(0, ["seeds", *([seeds] * len(recipes) if len(arms) == 1 else map(_seeds, arms))])
    title = "settings" if len(arms) < 2 else "settings that differ"
    return Table(title, ("setting", *(arm.name for arm in arms)), rows)


def _seeds(arm: Arm) -> str:
    return ", ".join(str(run.seed) for run in arm.runs)


def _setting(value: object) -> str:
    return "default" if value is None else str(value)


def _run_table(runs: Sequence[RunLine]) -> Table:
    return Table(
        "runs",
        ("run", "recipe", "seed", "status", "created", "version"),
        [[run.name, run.recipe, run.seed, run.status, run.created, run.version] for run in runs],
    )


def _curve_table(found: Sequence[Curve]) -> Table:
    rows: list[list[object]] = []
    for curve in found:
        error = curve.calibration.error
        rows.append(
            [
                curve.kind,
                curve.name,
                curve.pairs,
                f"{error.value:.3f}",
                f"{error.low:.3f} to {error.high:.3f}",
                f"{curve.calibration.slope.value:.2f}",
            ]
        )
    columns = ("of", "name", "verdicts", "calibration error", "95 % interval", "slope")
    return Table("calibration on held-out problems", columns, rows)


def _failure_table(searches: Sequence[Ended]) -> Table:
    found = failures(searches)
    kinds = [kind for kind in ENDINGS if any(counts[kind] for counts in found.values())]
    rows: list[list[object]] = [
        [*place, sum(counts.values()), *(counts[kind] for kind in kinds)] for place, counts in found.items()
    ]
    return Table("how searches ended", ("run", "phase", "method", "searches", *kinds), rows)
