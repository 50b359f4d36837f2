"""Accuracies of arms, and the differences between them on the same problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from restmcts.evaluation.comparison.runs import PARTS, Arm, Measurement, Part, Point, Problem, Spent
from restmcts.evaluation.statistics import Interval, clustered_mean, mcnemar, newcombe, wilson

LEVEL = 0.05
"""The level of the exact test, which goes with intervals of 95 %."""


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
class Difference:
    """By how much the accuracy of ``first`` is above that of ``second``, with a 95 % interval.

    ``paired``: on the same problems, of which there are ``problems`` a run; otherwise the arms were measured
    on different problems, and the interval is that of independent shares. ``runs`` counts the pairs of runs
    of equal seeds, and is 1 where no seed is the same. ``p_value`` is that of the exact McNemar test, None
    where problems are not independent of each other.
    """

    first: str
    second: str
    point: Point
    paired: bool
    runs: int
    problems: int
    interval: Interval
    p_value: float | None

    @property
    def shown(self) -> bool:
        """Whether the arms differ: the interval leaves 0 out, and the exact test agrees if there is one."""
        apart = self.interval.low > 0 or self.interval.high < 0
        return apart and (self.p_value is None or self.p_value < LEVEL)

    @property
    def verdict(self) -> str:
        """What the figures show, as a sentence."""
        found = self.interval
        where = f"{self.point.when} by {self.point.how}"
        test = "" if self.p_value is None else f" (exact McNemar test: p = {self.p_value:.2g})"
        how = test if self.paired else "; measured on different problems, so compared as independent shares"
        if not self.shown:
            return (
                f"no difference shown between {self.first} and {self.second}: {100 * found.value:+.1f}"
                f" points, {_bounds(found.low, found.high)}, {where}{how}"
            )
        if found.value < 0:
            lead, bounds = f"{self.second} leads {self.first}", _bounds(-found.high, -found.low)
        else:
            lead, bounds = f"{self.first} leads {self.second}", _bounds(found.low, found.high)
        return f"{lead} by {100 * abs(found.value):.1f} points, {bounds}, {where}{how}"


def _bounds(low: float, high: float) -> str:
    # Adding 0 makes a zero without a sign.
    return f"95 % interval {100 * low + 0:.1f} to {100 * high + 0:.1f}"


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


def differences(arms: Sequence[Arm]) -> list[Difference]:
    """The difference of every pair of arms at every point at which both were measured."""
    return [
        _difference(first, second, point)
        for point in _points(arms)
        for first, second in combinations(arms, 2)
        if first.replicates(point) and second.replicates(point)
    ]


def latest(found: Sequence[Difference]) -> list[Difference]:
    """The differences of each pair after its last iteration, and those of the closing tables."""
    last: dict[tuple[str, str], int] = {}
    for row in found:
        if not row.point.closing:
            pair = row.first, row.second
            last[pair] = max(last.get(pair, 0), row.point.iteration)
    return [row for row in found if row.point.closing or row.point.iteration == last[row.first, row.second]]


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
        accuracy=_share(measured),
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


def _share(measured: Sequence[Measurement]) -> Interval:
    answers = [one.answers for one in measured if one.answers]
    if len(measured) == 1 or len(answers) < len(measured):
        # Without the single answers, what runs have in common is not known.
        return wilson(sum(one.correct for one in measured), sum(one.problems for one in measured))
    return _of_blocks([{problem: float(right) for problem, right in one.items()} for one in answers])


def _of_blocks(blocks: Sequence[Mapping[Problem, float]]) -> Interval:
    """The mean of blocks, whose problems may be the same ones."""
    crossed = len({frozenset(block) for block in blocks}) == 1
    return clustered_mean([[block[key] for key in sorted(block)] for block in blocks], crossed=crossed)


def _difference(first: Arm, second: Arm, point: Point) -> Difference:
    ones, others = first.replicates(point), second.replicates(point)
    blocks = _paired_blocks(ones, others)
    if not blocks:
        interval = newcombe(_pooled(ones), _pooled(others))
        problems = min(_fewest(ones), _fewest(others))
        return Difference(first.name, second.name, point, False, 1, problems, interval, None)
    return Difference(
        first=first.name,
        second=second.name,
        point=point,
        paired=True,
        runs=len(blocks),
        problems=round(fmean(map(len, blocks))),
        interval=_of_blocks(blocks),
        p_value=_p_value(blocks),
    )


def _pooled(measured: Mapping[tuple[int, int], Measurement]) -> Interval:
    rows = measured.values()
    return wilson(sum(row.correct for row in rows), sum(row.problems for row in rows))


def _fewest(measured: Mapping[tuple[int, int], Measurement]) -> int:
    return min(row.problems for row in measured.values())


def _paired_blocks(
    ones: Mapping[tuple[int, int], Measurement], others: Mapping[tuple[int, int], Measurement]
) -> list[dict[Problem, float]]:
    """The difference on each problem, a block for each pair of runs of equal seeds that share problems.

    Without equal seeds: one block, of the differences between the means over the runs of each arm.
    """
    same = ones.keys() & others.keys()
    if same:
        pairs = [([ones[key]], [others[key]]) for key in sorted(same)]
    else:
        pairs = [(list(ones.values()), list(others.values()))]
    blocks = [_block(first, second) for first, second in pairs]
    return [block for block in blocks if block]


def _block(first: Sequence[Measurement], second: Sequence[Measurement]) -> dict[Problem, float]:
    answers = [one.answers or {} for one in (*first, *second)]
    shared = set(answers[0]).intersection(*answers[1:])

    def share(measured: Sequence[Measurement], problem: Problem) -> float:
        return fmean(float((one.answers or {})[problem]) for one in measured)

    return {problem: share(first, problem) - share(second, problem) for problem in sorted(shared)}


def _p_value(blocks: Sequence[Mapping[Problem, float]]) -> float | None:
    """Of the exact McNemar test, where every pair is of one problem and one answer each."""
    problems = [problem for block in blocks for problem in block]
    values = [value for block in blocks for value in block.values()]
    if len(set(problems)) < len(problems) or not set(values) <= {-1.0, 0.0, 1.0}:
        return None
    return mcnemar(values.count(1.0), values.count(-1.0))
