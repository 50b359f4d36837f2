"""The whole accuracy-against-budget curve from one stored search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from restmcts.evaluation.reading.usage import Usage
from store.answering.constants import AnswerConstants, constants_of
from store.answering.rules import RULES
from store.events import Cost, SearchRecord, Stopped, Verified
from store.tree import Tree, fold


@dataclass(frozen=True, slots=True)
class Axis:
    """What a budget counts: a weight for each field of a :class:`~store.events.Cost`."""

    policy: int = 0
    critic: int = 0
    prompt: int = 0
    value: int = 0
    calls: int = 0

    @property
    def weights(self) -> tuple[int, int, int, int, int]:
        """The weights in the order of the fields."""
        return self.policy, self.critic, self.prompt, self.value, self.calls

    def of(self, cost: Cost | Usage) -> float:
        """What ``cost`` amounts to on this axis; a whole number for one of whole numbers."""
        return (
            self.policy * cost.policy
            + self.critic * cost.critic
            + self.prompt * cost.prompt
            + self.value * cost.value
            + self.calls * cost.calls
        )


GENERATED: Final = Axis(policy=1, critic=1)
"""Everything that a language model writes, which is what a token budget counts."""

AXES: Final = {
    "policy": Axis(policy=1),
    "generated": GENERATED,
    "value": Axis(value=1),
    "calls": Axis(calls=1),
}
"""The axes that mean the same for all models; FLOPs: :func:`restmcts.evaluation.reading.flops.flops_axis`.

There is none for seconds: a stored search knows how long it took, but not when an event happened.
"""


@dataclass(frozen=True, slots=True)
class AnswerAt:
    """What a search answers when it is cut at ``budget`` (None: not cut).

    ``correct`` is None where the grader reached no verdict. ``cost`` is what it had taken by then, at most
    the budget. ``confidence`` is how sure the rule is of the answer, 0 to 1; None where it cannot say.
    """

    budget: float | None
    answer: str | None
    correct: bool | None
    cost: Cost
    confidence: float | None = None


def answers_at(
    record: SearchRecord,
    budgets: Sequence[float | None],
    rules: Sequence[str] = (),
    axis: Axis = GENERATED,
) -> dict[str, list[AnswerAt]]:
    """Answer a search again at each budget and by each rule, from its events alone.

    An event counts when everything up to it fits the budget. A search that chose its answer itself (it
    stopped at the gate) keeps that answer at budgets that reach that far, and one that failed has none.

    Args:
        record: a verified search.
        budgets: in generated tokens or in what ``axis`` counts, in any order.
        rules: names of answer rules; none: the rule of the search.
        axis: what a budget counts.

    Returns:
        For each rule its answers, from the smallest budget to the largest.
    """
    verdicts = verdicts_of(fold(record.events))
    constants = constants_of(record.header.settings)
    names = list(rules) or [record.header.answer_by]
    found: dict[str, list[AnswerAt]] = {name: [] for name in names}
    for budget, tree in cuts_of(record, budgets, axis):
        for name in names:
            found[name].append(_answer(tree, name, budget, verdicts, constants))
    return found


def cuts_of(
    record: SearchRecord, budgets: Sequence[float | None], axis: Axis = GENERATED
) -> Iterator[tuple[float | None, Tree]]:
    """The tree of a search as it was at each budget, from the smallest to the largest, without verdicts.

    It is the same object every time.
    """
    tree = Tree()
    events = [event for event in record.events if not isinstance(event, Verified)]
    position = 0
    for budget in ascending(budgets):
        while position < len(events):
            event = events[position]
            if budget is not None and axis.of(tree.cost) + axis.of(event.cost) > budget:
                break
            tree.apply(event)
            position += 1
        yield budget, tree


def ascending(budgets: Sequence[float | None]) -> list[float | None]:
    """Budgets from the smallest to the largest; no limit comes last."""
    return sorted(budgets, key=lambda budget: float("inf") if budget is None else budget)


def answer_of(tree: Tree, rule: str, constants: AnswerConstants) -> str | None:
    """The answer of a tree by a rule; None for a tree without one."""
    found = RULES[rule].run(tree, constants)
    return None if found is None else found.text


def answers_of(record: SearchRecord, tree: Tree, rules: Sequence[str]) -> dict[str, AnswerAt]:
    """What a whole search answers by each rule, off its verified tree; no rule looks at verdicts."""
    verdicts, constants = verdicts_of(tree), constants_of(record.header.settings)
    return {rule: _answer(tree, rule, None, verdicts, constants) for rule in rules}


def verdicts_of(tree: Tree) -> dict[str, bool | None]:
    """The verdict on every answer in a verified tree; None where the grader reached none."""
    return {node.answer: node.correct for node in tree.nodes if node.finished and node.answer is not None}


def _answer(
    tree: Tree,
    rule: str,
    budget: float | None,
    verdicts: dict[str, bool | None],
    constants: AnswerConstants,
) -> AnswerAt:
    stopped: Stopped | None = tree.stopped
    found = RULES[rule].run(tree, constants)
    if stopped is not None and stopped.reason in {"gate", "failed"}:
        answer = stopped.answer
    else:
        answer = None if found is None else found.text
    confidence = found.confidence if found is not None and found.text == answer else None
    return AnswerAt(budget, answer, verdicts.get(answer or "", False), tree.cost, confidence)
