"""Methods of evaluations side by side, at each budget, over one run or several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from restmcts.evaluation.comparison.differences import accuracy_of
from restmcts.evaluation.comparison.runs import Measurement
from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.verdicts import Scored

Made = Literal["loop", "closing", "asked"]
"""What an evaluation was made for: after an iteration, as closing table, or because somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Where methods are compared: with the models of an iteration, at a budget a problem.

    The budget is in mean traces where that is known, for the tokens of a trace differ between seeds, and else
    in generated tokens. With neither, methods go on until they end by themselves. ``arm`` is that of runs
    where there are several: methods are compared in one arm, and arms by one method.
    """

    made: Made
    iteration: int
    traces: float | None = None
    tokens: int | None = None
    arm: str = ""

    @property
    def amount(self) -> str:
        """The budget in words."""
        if self.traces is not None:
            return f"{self.traces:g} trace{'' if self.traces == 1 else 's'}"
        return "no limit" if self.tokens is None else f"{self.tokens:,} tokens"

    @property
    def when(self) -> str:
        """Of which iteration the models are, in words."""
        return "at the end" if self.made == "closing" else f"after iteration {self.iteration}"

    @property
    def text(self) -> str:
        """Budget, iteration and arm, in words."""
        of_arm = f" of {self.arm}" if self.arm else ""
        return f"{'with' if self.amount == 'no limit' else 'at'} {self.amount} {self.when}{of_arm}"

    @property
    def evaluation(self) -> tuple[str, Made, int]:
        """The evaluation that the budget is one of."""
        return self.arm, self.made, self.iteration


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A row of an evaluation of a run, which is known by its seed and a number.

    ``point`` is that of the row. A method that takes one trace has no budget, and takes part at every budget
    of one trace and more.
    """

    method: str
    seed: tuple[int, int]
    point: Budget
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class MethodAccuracy:
    """The accuracy of a method at a budget: the mean over runs, with its 95 % interval; tokens a problem."""

    method: str
    point: Budget
    runs: int
    problems: int
    accuracy: Interval
    policy_tokens: float
    value_tokens: float


def scored_methods(rows: Sequence[MethodRow]) -> list[Scored]:
    """The methods at each budget, in the order of iterations and budgets."""
    found: dict[tuple[Budget, str], dict[tuple[int, int], Measurement]] = defaultdict(dict)
    for row in rows:
        for point in _points(row, rows):
            found[point, row.method][row.seed] = row.measurement
    keys = sorted(found, key=lambda key: _order(key[0]))
    return [Scored(method, point, found[point, method]) for point, method in keys]


def method_accuracies(scored: Sequence[Scored]) -> list[MethodAccuracy]:
    """The accuracy of every method at every budget."""
    return [
        MethodAccuracy(
            method=one.name,
            point=one.point,
            runs=len(one.measured),
            problems=max(each.problems for each in one.measured.values()),
            accuracy=accuracy_of(list(one.measured.values())),
            policy_tokens=fmean(each.policy_tokens for each in one.measured.values()),
            value_tokens=fmean(each.value_tokens for each in one.measured.values()),
        )
        for one in scored
        if isinstance(one.point, Budget)
    ]


def with_several(scored: Sequence[Scored]) -> list[Scored]:
    """The methods of evaluations of more than one method."""
    names: dict[tuple[str, Made, int], set[str]] = defaultdict(set)
    for one in scored:
        if isinstance(one.point, Budget):
            names[one.point.evaluation].add(one.name)
    return [one for one in scored if isinstance(one.point, Budget) and len(names[one.point.evaluation]) > 1]


def _points(row: MethodRow, rows: Sequence[MethodRow]) -> list[Budget]:
    """The point of a row, and without a limit also every budget that has room for what it took."""
    if row.point.tokens is not None:
        return [_named(row.point)]
    same = [other.point for other in rows if other.point.evaluation == row.point.evaluation]
    tokens = row.measurement.policy_tokens
    room = [_named(point) for point in same if point.tokens is not None and _has_room(point, tokens)]
    return list(dict.fromkeys([_named(row.point), *room]))


def _has_room(point: Budget, tokens: float) -> bool:
    return point.traces >= 1 if point.traces is not None else (point.tokens or 0) >= tokens


def _named(point: Budget) -> Budget:
    """The point as it is compared: without the tokens, where the traces are known."""
    return point if point.traces is None else replace(point, tokens=None)


def _order(point: Budget) -> tuple[str, bool, int, str, float]:
    amount = point.traces if point.traces is not None else point.tokens
    last = float("inf") if amount is None else amount
    return point.arm, point.made == "closing", point.iteration, point.made, last
