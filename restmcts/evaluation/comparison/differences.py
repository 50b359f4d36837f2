"""Accuracies of arms, and the differences between them on the same problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from restmcts.evaluation.comparison.runs import PARTS, Arm, Measurement, Part, Point, Spent
from restmcts.evaluation.means import mean_of
from restmcts.evaluation.statistics import Interval, wilson
from restmcts.evaluation.verdicts import Scored, Verdict, verdicts


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy of an arm at a point: the mean over its runs, with a 95 % interval.

    The interval is a Wilson interval for one run, and for several a bootstrap over runs and problems.
    Tokens are means a problem; ``data_tokens`` were generated for training data up to this point, a run.
    """

    arm: str
    point: Point
    runs: int
    problems: int
    accuracy: Interval
    policy_tokens: float
    value_tokens: float
    data_tokens: float


@dataclass(frozen=True, slots=True)
class Spending:
    """What an arm spent in an iteration, a run."""

    arm: str
    iteration: int
    part: Part
    generated_tokens: float
    value_tokens: float
    trained_tokens: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an iteration: the mean over the runs of an arm that have it, and these runs."""

    arm: str
    iteration: int
    name: str
    value: float
    runs: int


def accuracies(arms: Sequence[Arm]) -> list[Accuracy]:
    """The accuracy of every arm at every point that it was measured at."""
    return [_accuracy(arm, point) for point in _points(arms) for arm in arms if arm.replicates(point)]


def differences(
    arms: Sequence[Arm], *, against: str | None = None, margin: float | None = None
) -> list[Verdict]:
    """The verdict on every pair of arms at every point at which both were measured.

    Args:
        arms: what is compared.
        against: compare only with the arm of this name.
        margin: a difference of accuracies, 0 to 1, that does not matter.
    """
    scored = [Scored(arm.name, point, arm.replicates(point)) for point in _points(arms) for arm in arms]
    return verdicts(scored, against=against, margin=margin)


@dataclass(frozen=True, slots=True)
class Course:
    """Where iterations of one arm are compared: by a method, at a budget."""

    arm: str
    how: str

    @property
    def text(self) -> str:
        """The method, in words."""
        return f"by {self.how}"


def progress(arms: Sequence[Arm], *, margin: float | None = None) -> list[Verdict]:
    """The verdict on the last iteration of every arm against its first, by each method."""
    scored = []
    for arm in arms:
        points = [point for point in _points([arm]) if not point.closing]
        for how in dict.fromkeys(point.how for point in points):
            course = [point for point in points if point.how == how]
            if len(course) > 1:
                scored += [
                    Scored(f"{arm.name} {point.when}", Course(arm.name, how), arm.replicates(point))
                    for point in (course[-1], course[0])
                ]
    return verdicts(scored, margin=margin)


def latest(found: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts on each pair after its last iteration, and those of the closing tables."""
    last: dict[tuple[str, str], int] = {}
    for row in found:
        if isinstance(row.point, Point) and not row.point.closing:
            pair = row.first, row.second
            last[pair] = max(last.get(pair, 0), row.point.iteration)
    return [row for row in found if _is_last(row, last)]


def _is_last(row: Verdict, last: Mapping[tuple[str, str], int]) -> bool:
    point = row.point
    return not isinstance(point, Point) or point.closing or point.iteration == last[row.first, row.second]


def spending(arms: Sequence[Arm]) -> list[Spending]:
    """What every arm spent, by iteration and part."""
    rows = []
    for arm in arms:
        iterations = sorted({iteration for run in arm.runs for iteration, _ in run.spent})
        for iteration in iterations:
            for part in PARTS:
                spent = [run.spent[iteration, part] for run in arm.runs if (iteration, part) in run.spent]
                if spent:
                    rows.append(_mean_spending(arm.name, iteration, part, spent))
    return rows


def figures(arms: Sequence[Arm]) -> list[Figure]:
    """The figures that the iterations of every arm have."""
    rows = []
    for arm in arms:
        for iteration, name in sorted({key for run in arm.runs for key in run.figures}):
            values = [run.figures[iteration, name] for run in arm.runs if (iteration, name) in run.figures]
            rows.append(Figure(arm.name, iteration, name, fmean(values), len(values)))
    return rows


def _mean_spending(arm: str, iteration: int, part: Part, spent: Sequence[Spent]) -> Spending:
    trained = [one.trained_tokens for one in spent if one.trained_tokens is not None]
    return Spending(
        arm,
        iteration,
        part,
        fmean(one.generated_tokens for one in spent),
        fmean(one.value_tokens for one in spent),
        fmean(trained) if trained else None,
        fmean(one.seconds for one in spent),
    )


def _points(arms: Sequence[Arm]) -> list[Point]:
    """Every point in the order of iterations; points of an iteration in that of their first mention."""
    named = dict.fromkeys(point for arm in arms for run in arm.runs for point in run.measured)
    return sorted(named, key=lambda point: (point.closing, point.iteration))


def _accuracy(arm: Arm, point: Point) -> Accuracy:
    measured = list(arm.replicates(point).values())
    spent = [_data_tokens(run.spent, point.iteration) for run in arm.runs if point in run.measured]
    return Accuracy(
        arm=arm.name,
        point=point,
        runs=len(measured),
        problems=max(one.problems for one in measured),
        accuracy=accuracy_of(measured),
        policy_tokens=fmean(one.policy_tokens for one in measured),
        value_tokens=fmean(one.value_tokens for one in measured),
        data_tokens=fmean(spent),
    )


def _data_tokens(spent: Mapping[tuple[int, Part], Spent], iteration: int) -> int:
    return sum(
        one.generated_tokens
        for (number, part), one in spent.items()
        if part == "data" and number <= iteration
    )


def accuracy_of(measured: Sequence[Measurement]) -> Interval:
    """The mean accuracy over runs, with its 95 % interval."""
    answers = [one.answers for one in measured if one.answers]
    if len(answers) < len(measured):
        # Without the single answers, what runs have in common is not known.
        return wilson(sum(one.correct for one in measured), sum(one.problems for one in measured))
    return mean_of(answers)
