"""Rows of an evaluation that no method can pass: whether any solution of a tree is right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from restmcts.evaluation.budgets import AnswerAt
from restmcts.evaluation.ceiling import solved_at
from restmcts.evaluation.statistics import wilson
from store.events import SearchRecord
from store.records import Evaluation


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The ceiling of a choice of a method.

    Attributes:
        searches: the numbers of its trees.
        budgets: the budgets at which they are cut; None: not cut.
    """

    searches: frozenset[int]
    budgets: Sequence[int | None]


def ceiling_rows(
    records: Iterable[SearchRecord],
    ceilings: Mapping[str, Ceiling],
    phase: str,
    iteration: int,
    traces: Mapping[int | None, float | None],
) -> list[Evaluation]:
    """A row for each ceiling and each of its budgets, over all problems with a verdict.

    Args:
        records: the trees of the phase.
        ceilings: what is read off them, by the name of the row.
        traces: how many mean traces each budget is worth, if known.
    """
    names = {number: name for name, ceiling in ceilings.items() for number in ceiling.searches}
    cells: dict[tuple[str, int | None], list[AnswerAt]] = defaultdict(list)
    for record in records:
        name = names.get(int(record.header.id.rpartition("/")[2]))
        if name is not None:
            for answer in solved_at(record, ceilings[name].budgets):
                cells[name, answer.budget].append(answer)
    rows = []
    for (name, budget), answers in cells.items():
        verdicts = [answer.correct for answer in answers if answer.correct is not None]
        share = wilson(sum(verdicts), len(verdicts))
        rows.append(
            Evaluation(
                run="",
                phase=phase,
                iteration=iteration,
                method=name,
                budget=budget,
                traces=traces[budget],
                problems=len(verdicts),
                correct=sum(verdicts),
                accuracy=share.value,
                low=share.low,
                high=share.high,
                policy_tokens=fmean(answer.cost.generated for answer in answers),
                value_tokens=fmean(answer.cost.value for answer in answers),
            )
        )
    return rows
