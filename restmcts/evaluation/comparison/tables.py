"""What a comparison says, as tables of cells; commands print them and the report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from restmcts.evaluation.comparison.differences import (
    Accuracy,
    Figure,
    Spending,
    accuracies,
    differences,
    figures,
    latest,
    progress,
    spending,
)
from restmcts.evaluation.comparison.methods import Budget, MethodAccuracy, method_accuracies
from restmcts.evaluation.comparison.runs import Arm, Point
from restmcts.evaluation.reading.ceiling import is_ceiling
from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.verdicts import Scored, Verdict, Where, verdicts


class Table(NamedTuple):
    """A title, the names of the columns, and rows of cells."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[object]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a comparison of arms says."""

    arms: list[Arm]
    accuracies: list[Accuracy]
    verdicts: list[Verdict]
    spending: list[Spending]
    figures: list[Figure]
    latest: list[Verdict] = field(default_factory=list)
    progress: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MethodComparison:
    """Everything that a comparison of methods says."""

    accuracies: list[MethodAccuracy]
    verdicts: list[Verdict]


def compare_arms(
    arms: Sequence[Arm], *, against: str | None = None, margin: float | None = None
) -> Comparison:
    """Compare arms at everything that they were measured at; see :func:`differences`."""
    found = differences(arms, against=against, margin=margin)
    return Comparison(
        list(arms),
        accuracies(arms),
        found,
        spending(arms),
        figures(arms),
        latest(found),
        progress(arms, margin=margin),
    )


def compare_methods(
    scored: Sequence[Scored], *, against: str | None = None, margin: float | None = None
) -> MethodComparison:
    """Compare methods at every budget; ceilings, which no method can pass, have an accuracy alone."""
    rivals = [one for one in scored if not is_ceiling(one.name)]
    return MethodComparison(method_accuracies(scored), verdicts(rivals, against=against, margin=margin))


def arm_tables(found: Comparison) -> list[Table]:
    """The tables of a comparison of arms; some may have no rows."""
    return [
        Table(
            "arms",
            ("arm", "runs"),
            [[arm.name, ", ".join(run.name for run in arm.runs)] for arm in found.arms],
        ),
        Table(
            "accuracy on held-out problems",
            ("iteration", "method", "arm", "accuracy", "95 % interval", "runs", "problems", "tokens", "data"),
            [_accuracy_cells(row) for row in found.accuracies],
        ),
        difference_table(found.verdicts),
        Table(
            "spent in a run",
            ("arm", "iteration", "for", "generated tokens", "value tokens", "trained tokens", "seconds"),
            [_spending_cells(row) for row in found.spending],
        ),
        *figure_tables(found.figures),
    ]


def method_tables(found: MethodComparison) -> list[Table]:
    """The tables of a comparison of methods; that of differences may have no rows."""
    return [
        Table(
            "accuracy of methods",
            (
                *(["arm"] if _several_arms(found) else []),
                "iteration",
                "budget",
                "method",
                "accuracy",
                "95 % interval",
                "runs",
                "problems",
                "tokens",
                "value tokens",
            ),
            [_method_cells(row, _several_arms(found)) for row in found.accuracies],
        ),
        difference_table(found.verdicts),
    ]


def difference_table(rows: Sequence[Verdict]) -> Table:
    """Differences in points, with the p-values of each test and of the family of all."""
    return Table(
        "differences, in points",
        (
            "iteration",
            "at",
            "first",
            "second",
            "first - second",
            "95 % interval",
            "p",
            "corrected p",
            "problems",
        ),
        [_difference_cells(row) for row in rows],
    )


def flip_table(rows: Sequence[Verdict]) -> Table:
    """The problems that one side alone is right on."""
    cells: list[list[object]] = []
    for row in rows:
        for kind, problems in (
            ("right to wrong", row.flips.right_to_wrong),
            ("wrong to right", row.flips.wrong_to_right),
        ):
            cells += [
                [_iteration(row.point), _at(row.point), row.first, row.second, kind, name, text]
                for name, text in problems
            ]
    return Table(
        "problems that change", ("iteration", "at", "first", "second", "change", "name", "problem"), cells
    )


def figure_tables(rows: Sequence[Figure]) -> list[Table]:
    """The figures of iterations, those by depth in a table of their own."""
    of_depths = [row for row in rows if ".depth_" in row.name]
    by_depth = sorted(of_depths, key=lambda row: int(row.name.rpartition("_")[2]))
    return [
        _figure_table("figures of iterations", [row for row in rows if ".depth_" not in row.name]),
        _figure_table("AUC of value models on held-out trees, by depth", by_depth),
    ]


def _figure_table(title: str, rows: Sequence[Figure]) -> Table:
    """A row for each iteration of an arm, a column for each figure."""
    names = list(dict.fromkeys(row.name for row in rows))
    places = dict.fromkeys((row.arm, row.iteration) for row in rows)
    values = {(row.arm, row.iteration, row.name): f"{row.value:.3f}" for row in rows}
    cells: list[list[object]] = [
        [arm, iteration, *(values.get((arm, iteration, name), "") for name in names)]
        for arm, iteration in places
    ]
    return Table(title, ("arm", "iteration", *(name.rpartition(".depth_")[2] for name in names)), cells)


def share(found: Interval) -> tuple[str, str]:
    """A share in per cent, and its interval."""
    return f"{found.value:.1%}", f"{found.low:.1%} - {found.high:.1%}"


def _iteration(point: Where) -> object:
    if isinstance(point, Point):
        return "closing" if point.closing else point.iteration
    if isinstance(point, Budget):
        return "closing" if point.made == "closing" else point.iteration
    return ""


def _at(point: Where) -> str:
    if isinstance(point, Point):
        return point.how
    if isinstance(point, Budget):
        return f"{point.amount}, {point.arm}" if point.arm else point.amount
    return point.text


def _accuracy_cells(row: Accuracy) -> list[object]:
    return [
        _iteration(row.point),
        row.point.how,
        row.arm,
        *share(row.accuracy),
        row.runs,
        row.problems,
        f"{row.policy_tokens:.0f}",
        f"{row.data_tokens:,.0f}",
    ]


def _several_arms(found: MethodComparison) -> bool:
    return any(row.point.arm for row in found.accuracies)


def _method_cells(row: MethodAccuracy, arm: bool) -> list[object]:
    return [
        *([row.point.arm] if arm else []),
        _iteration(row.point),
        row.point.amount,
        row.method,
        *share(row.accuracy),
        row.runs,
        row.problems,
        f"{row.policy_tokens:.0f}",
        f"{row.value_tokens:.0f}",
    ]


def _difference_cells(row: Verdict) -> list[object]:
    found = row.interval
    return [
        _iteration(row.point),
        _at(row.point),
        row.first,
        row.second,
        f"{100 * found.value + 0:+.1f}",
        f"{100 * found.low + 0:.1f} to {100 * found.high + 0:.1f}",
        f"{row.p_value:.2g}",
        f"{row.corrected:.2g}",
        row.problems if row.paired else "unpaired",
    ]


def _spending_cells(row: Spending) -> list[object]:
    return [
        row.arm,
        row.iteration,
        row.part,
        f"{row.generated_tokens:,.0f}",
        f"{row.value_tokens:,.0f}",
        "" if row.trained_tokens is None else f"{row.trained_tokens:,.0f}",
        f"{row.seconds:,.0f}",
    ]
