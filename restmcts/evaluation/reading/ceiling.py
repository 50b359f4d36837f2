"""The ceiling of a search: whether any of its solutions is right (pass@k of all that it found).

No way to choose an answer from the same trees can be right more often. The ceiling reads the verdicts of the
oracle, so it is a figure of evaluations. It is no answer rule: a search cannot be answered by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from restmcts.evaluation.reading.budgets import GENERATED, AnswerAt, Axis, cuts_of
from store.events import SearchRecord, Stopped
from store.records import CEILING
from store.tree import Tree, fold

PASS_AT_K: Final = "pass@k"
"""What a comparison of verifiers calls the ceiling of the traces that they choose among."""


def ceiling_name(method: str) -> str:
    """What an evaluation calls the ceiling of a method."""
    return f"{CEILING} ({method})"


def is_ceiling(name: str) -> bool:
    """Whether a row of an evaluation is a ceiling, and not what a method answers."""
    return name == PASS_AT_K or name.startswith(f"{CEILING} (")


def solved_at(
    record: SearchRecord, budgets: Sequence[float | None], axis: Axis = GENERATED
) -> list[AnswerAt]:
    """Whether a search had found a right solution when it is cut at each budget.

    ``correct`` is True if any solution in the tree is right. It is None if none is and the grader reached no
    verdict on some, and False otherwise, also for a search that failed. ``answer`` is that of the first right
    solution.

    Args:
        record: a verified search.
        budgets: in what ``axis`` counts, in any order; None: not cut.
        axis: what a budget counts.

    Returns:
        One for each budget, from the smallest to the largest.
    """
    verdicts = {node.id: node.correct for node in fold(record.events).finished()}
    return [_solved(tree, budget, verdicts) for budget, tree in cuts_of(record, budgets, axis)]


def _solved(tree: Tree, budget: float | None, verdicts: dict[int, bool | None]) -> AnswerAt:
    stopped: Stopped | None = tree.stopped
    if stopped is not None and stopped.reason == "failed":
        return AnswerAt(budget, None, False, tree.cost)
    finished = tree.finished()
    right = next((node for node in finished if verdicts[node.id]), None)
    if right is not None:
        return AnswerAt(budget, right.answer, True, tree.cost)
    unknown = any(verdicts[node.id] is None for node in finished)
    return AnswerAt(budget, None, None if unknown else False, tree.cost)
