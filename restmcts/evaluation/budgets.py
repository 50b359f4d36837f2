"""The whole accuracy-against-budget curve from one stored search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.answers import RULES
from store.events import Cost, SearchRecord, Stopped, Verified
from store.tree import Tree


@dataclass(frozen=True, slots=True)
class AnswerAt:
    """What a search answers when it is cut at ``budget`` generated tokens (None: not cut).

    ``correct`` is None where the grader reached no verdict. ``cost`` is what it had taken by then, at most
    the budget. ``confidence`` is the chance that the rule gives its answer, None where it gives none.
    """

    budget: int | None
    answer: str | None
    correct: bool | None
    cost: Cost
    confidence: float | None = None


def answers_at(
    record: SearchRecord, budgets: Sequence[int | None], rules: Sequence[str] = ()
) -> dict[str, list[AnswerAt]]:
    """Answer a search again at each budget and by each rule, from its events alone.

    An event counts when all tokens up to it fit the budget. A search that chose its answer itself (it
    stopped at the gate) keeps that answer at budgets that reach that far, and one that failed has none.

    Args:
        record: a verified search.
        budgets: in generated tokens, in any order.
        rules: names of answer rules; none: the rule of the search.

    Returns:
        For each rule its answers, from the smallest budget to the largest.
    """
    verdicts = _verdicts(record)
    names = list(rules) or [record.header.answer_by]
    found: dict[str, list[AnswerAt]] = {name: [] for name in names}
    tree = Tree()
    events = [event for event in record.events if not isinstance(event, Verified)]
    position = 0
    for budget in sorted(budgets, key=lambda tokens: float("inf") if tokens is None else tokens):
        while position < len(events):
            event = events[position]
            if budget is not None and tree.cost.generated + event.cost.generated > budget:
                break
            tree.apply(event)
            position += 1
        for name in names:
            found[name].append(_answer(tree, name, budget, verdicts))
    return found


def _answer(tree: Tree, rule: str, budget: int | None, verdicts: dict[str, bool | None]) -> AnswerAt:
    stopped: Stopped | None = tree.stopped
    if stopped is not None and stopped.reason in {"gate", "failed"}:
        answer = stopped.answer
    else:
        pair = RULES[rule].run(tree)
        answer = None if pair is None else pair[0]
    return AnswerAt(budget, answer, verdicts.get(answer or "", False), tree.cost)


def _verdicts(record: SearchRecord) -> dict[str, bool | None]:
    """The verdict on every answer in the tree; None where the grader reached none."""
    tree = Tree()
    for event in record.events:
        tree.apply(event)
    return {node.answer: node.correct for node in tree.nodes if node.finished and node.answer is not None}
