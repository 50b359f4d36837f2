"""What each problem is worth behind each row of an evaluation, from stored searches alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from restmcts.evaluation.means import Problem, mean_of
from restmcts.evaluation.reading.budgets import GENERATED, AnswerAt, Axis, answers_at
from restmcts.evaluation.reading.ceiling import solved_at
from restmcts.evaluation.reading.subsets import outcomes_over_orders
from restmcts.evaluation.reading.traces import traces_of
from restmcts.evaluation.reading.usage import ORDERS, OutcomeAt, Usage, mean_usage, usage_of
from restmcts.evaluation.statistics import Interval, wilson
from store.events import FREE, SearchRecord, Valued
from store.records import CEILING

Row = tuple[str, str, float | None]
"""A row of an evaluation: the choice of a method, the answer rule, and the budget."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a stored search is read.

    Attributes:
        choice: what the choice of a method is called that the search belongs to.
        rules: the answer rules; ``CEILING`` says whether anything is right.
        budgets: in what ``axis`` counts; None: no limit.
        axis: what a budget counts.
        unvalued: the answer rules for which the method would have asked for no values; what those took does
            not count for them.
        exchangeable: from which trace on the order of the traces means nothing; None: it means something.
        orders: orders of exchangeable traces that are averaged; 0: the order in which they came.
    """

    choice: str
    rules: Sequence[str]
    budgets: Sequence[float | None]
    axis: Axis = GENERATED
    unvalued: frozenset[str] = frozenset()
    exchangeable: int | None = None
    orders: int = ORDERS


@dataclass(frozen=True, slots=True)
class Behind:
    """One search behind a row: its problem, its number in the phase, its share, and the generated tokens."""

    problem: str
    number: int
    share: float | None
    tokens: float


@dataclass(slots=True)
class RowOutcomes:
    """The outcomes behind one row.

    Attributes:
        shares: for each problem with a verdict a figure from 0 to 1, see :class:`OutcomeAt`.
        usages: what each problem took, those without a verdict included.
        behind: the same by search, where the row is read from stored searches.
    """

    shares: dict[Problem, float] = field(default_factory=dict)
    usages: list[Usage] = field(default_factory=list)
    behind: list[Behind] = field(default_factory=list, compare=False)

    def add(self, problem: Problem, outcome: OutcomeAt) -> None:
        """Count the outcome of a problem."""
        self.usages.append(outcome.usage)
        if outcome.share is not None:
            self.shares[problem] = outcome.share

    @property
    def usage(self) -> Usage:
        """What a problem took, on average."""
        return mean_usage(self.usages)

    @property
    def accuracy(self) -> Interval:
        """The mean outcome with its 95 % interval; [0, 1] where no problem has a verdict."""
        return mean_of([self.shares]) if self.shares else wilson(0, 0)


def outcomes(
    records: Iterable[SearchRecord], reading: Callable[[SearchRecord], Reading]
) -> dict[Row, RowOutcomes]:
    """The outcomes of the problems behind each row, in the order in which the rows are met.

    Args:
        records: verified searches, such as those of a phase.
        reading: says how each of them is read.
    """
    found: dict[Row, RowOutcomes] = {}
    for record in records:
        wanted = reading(record)
        problem = record.header.problem, record.header.question
        number = int(record.header.id.rpartition("/")[2])
        for rule, curve in outcomes_at(record, wanted).items():
            for outcome in curve:
                row = wanted.choice, rule, outcome.budget
                cell = found.setdefault(row, RowOutcomes())
                cell.add(problem, outcome)
                cell.behind.append(Behind(problem[0], number, outcome.share, outcome.usage.generated))
    return found


def outcomes_at(record: SearchRecord, reading: Reading) -> dict[str, list[OutcomeAt]]:
    """What a stored search is worth at each budget, from the smallest to the largest, by each rule."""
    valued = [rule for rule in reading.rules if rule not in reading.unvalued]
    found = dict(_read(record, valued, reading)) if valued else {}
    if len(valued) < len(reading.rules):
        rest = [rule for rule in reading.rules if rule in reading.unvalued]
        found |= _read(without_values(record), rest, reading)
    return {rule: found[rule] for rule in reading.rules}


def without_values(record: SearchRecord) -> SearchRecord:
    """The same search without what its values took."""
    events = (replace(event, cost=FREE) if isinstance(event, Valued) else event for event in record.events)
    return replace(record, events=tuple(events))


def _read(record: SearchRecord, rules: Sequence[str], reading: Reading) -> Mapping[str, list[OutcomeAt]]:
    first, failed = reading.exchangeable, record.result.reason == "failed"
    traces = None if first is None or failed or not reading.orders else traces_of(record)
    if first is not None and traces is not None:
        return outcomes_over_orders(
            record, traces, reading.budgets, rules, reading.axis, orders=reading.orders, first=first
        )
    total = sum((event.cost for event in record.events), FREE)

    def outcome(answer: AnswerAt) -> OutcomeAt:
        share = None if answer.correct is None else float(answer.correct)
        # A search that was cut does not know how long it had taken by then.
        seconds = record.result.seconds if answer.cost == total else None
        return OutcomeAt(answer.budget, share, usage_of(answer.cost, seconds))

    found = _answers(record, rules, reading)
    return {rule: list(map(outcome, answers)) for rule, answers in found.items()}


def _answers(record: SearchRecord, rules: Sequence[str], reading: Reading) -> dict[str, list[AnswerAt]]:
    by_rule = [rule for rule in rules if rule != CEILING]
    found = answers_at(record, reading.budgets, by_rule, reading.axis) if by_rule else {}
    if CEILING in rules:
        found[CEILING] = solved_at(record, reading.budgets, reading.axis)
    return found
