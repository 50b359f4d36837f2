"""One token budget for a whole set of problems: stop where the answer is sure, spend the rest elsewhere.

A search is stopped when the confidence of its answer reaches a threshold, and at a cap otherwise. Both are
chosen on other problems. Everything here is a pure function of searches that went on to the cap at least, and
is exact for methods whose course does not depend on how much of their budget is left.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from statistics import fmean
from typing import Any, Final

import numpy as np

from restmcts.evaluation.verification import accuracy, against
from store.answering.constants import constants_of
from store.answering.rules import sure_answer
from store.events import SearchRecord, Stopped
from store.tree import Tree, fold

KEPT: Final = 0.5
"""The share of the mean that is kept for every problem that still waits, whatever the others take."""

CAPS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""What a problem may take at most, as multiples of the mean, to choose from."""

THRESHOLDS: Final = 200
"""How many confidences there are to choose from, spread evenly over those that searches have."""

ORDERS: Final = 5
"""Orders of the problems that the outcome of a choice is averaged over."""


Ends = dict[tuple[str, str], tuple[bool | None, int]]
"""Where searches end: the verdict and the tokens, by the name and the text of the problem."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A search that is about to sample: what it has generated, how sure it is, and whether it is right.

    ``correct`` is None where the grader reached no verdict.
    """

    tokens: int
    confidence: float
    correct: bool | None


@dataclass(frozen=True, slots=True)
class Course:
    """A search from its beginning to its end: moments, of which each changes something, and all tokens."""

    moments: tuple[Moment, ...]
    total: int

    def stop(self, threshold: float, cap: int) -> Moment:
        """Where the search ends at a threshold and a cap; the tokens are all that it has then taken.

        A search that comes to the cap has generated up to it, also what did not become a step any more.
        """
        last = self.moments[0]
        for moment in self.moments:
            if moment.tokens > cap:
                break
            last = moment
            if moment.confidence >= threshold:
                return moment
        return Moment(min(cap, self.total), last.confidence, last.correct)


@dataclass(frozen=True, slots=True)
class Gate:
    """When searches stop: ``threshold`` of the confidence, at most ``cap`` tokens a problem."""

    threshold: float
    cap: int


def course(record: SearchRecord, rule: str) -> Course:
    """The course of a verified search that is answered by ``rule``, which has a confidence."""
    ends = fold(record.events).finished()
    verdicts = {node.answer: node.correct for node in ends if node.answer is not None}
    constants = constants_of(record.header.settings)
    tree = Tree()
    moments = [Moment(0, 0.0, False)]

    def look() -> None:
        answer, sure = sure_answer(tree, rule, constants)
        correct = verdicts.get(answer or "", False)
        if (sure, correct) != (moments[-1].confidence, moments[-1].correct):
            moments.append(Moment(tree.cost.generated, sure, correct))

    for event in record.events:
        if isinstance(event, Stopped):
            break
        if event.cost.policy:
            look()
        tree.apply(event)
    look()
    return Course(tuple(moments), record.result.cost.generated)


def next_budgets(left: int, waiting: int, cap: int, mean: float) -> list[int]:
    """The budgets of the searches that may begin now, of ``waiting`` ones in their order.

    As many may take the cap as leave :data:`KEPT` of the mean to each of the others. Where not even one may,
    all share what is left. So all searches together never take more than ``left``, and each gets something.
    """
    kept = max(1, int(KEPT * mean))
    if waiting * cap <= left:
        return [cap] * waiting
    certain = (left - waiting * kept) // (cap - kept) if cap > kept else 0
    if certain >= 1:
        return [cap] * min(certain, waiting)
    return [left // waiting + (place < left % waiting) for place in range(waiting)]


def spend(courses: Sequence[Course], gate: Gate, total: int) -> list[Moment]:
    """Where searches end that share ``total`` tokens, in their order: in rounds (:func:`next_budgets`)."""
    ends: list[Moment] = []
    left = total
    while len(ends) < len(courses):
        budgets = next_budgets(left, len(courses) - len(ends), gate.cap, total / len(courses))
        started = courses[len(ends) : len(ends) + len(budgets)]
        found = [each.stop(gate.threshold, budget) for each, budget in zip(started, budgets, strict=True)]
        left -= sum(moment.tokens for moment in found)
        ends += found
    return ends


def choose_gate(courses: Sequence[Course], mean: int, *, most: int | None = None, seed: int = 0) -> Gate:
    """The threshold and the cap with which most problems are right at ``mean`` tokens a problem.

    For each cap the threshold follows: it is the one with which searches take the mean. Of the caps, the one
    with which most problems are right is chosen, on average over several orders of the problems; of equal
    ones the smallest. The budget that is the same for every problem is among them.

    Args:
        courses: searches of other problems than those that the gate is for, with at least the tokens of the
            largest cap (:data:`CAPS`) wherever they did not end by themselves.
        mean: generated tokens a problem, at least 1.
        most: the largest cap; None: that of the largest multiple of the mean.
        seed: of the orders.

    Raises:
        ValueError: there is no course.
    """
    if not courses:
        raise ValueError("a threshold is chosen on at least one problem")
    random = Random(seed)
    orders = [random.sample(courses, len(courses)) for _ in range(ORDERS)]
    multiples = {max(1, round(mean * factor)) for factor in CAPS}
    caps = sorted(cap if most is None else min(cap, most) for cap in multiples)
    thresholds = _thresholds(courses)
    gates = [Gate(_threshold(courses, thresholds, cap, mean), cap) for cap in caps]

    def right(gate: Gate) -> float:
        return accuracy_of([end for order in orders for end in spend(order, gate, mean * len(courses))])

    return max(gates, key=right)


def _threshold(courses: Sequence[Course], thresholds: Sequence[float], cap: int, mean: int) -> float:
    """The threshold with which searches up to a cap take the mean, or come as close as they can."""

    def taken(threshold: float) -> int:
        return sum(each.stop(threshold, cap).tokens for each in courses)

    # The larger the threshold, the more is taken: the first that takes the mean, or the one before it.
    wanted = mean * len(courses)
    place = min(bisect_left(thresholds, wanted, key=taken), len(thresholds) - 1)
    near = thresholds[max(0, place - 1) : place + 1]
    return min(near, key=lambda threshold: abs(taken(threshold) - wanted))


def _thresholds(courses: Sequence[Course]) -> list[float]:
    """Confidences to choose from, the smallest first; 1 is never reached by a vote."""
    seen = [moment.confidence for each in courses for moment in each.moments[1:]]
    spread = [round(float(value), 4) for value in np.quantile(seen or [1.0], np.linspace(0, 1, THRESHOLDS))]
    return [*sorted({value for value in spread if 0 < value < 1}), 1.0]


def accuracy_of(ends: Sequence[Moment]) -> float:
    """The share of right answers among those with a verdict; 0 without any."""
    verdicts = [moment.correct for moment in ends if moment.correct is not None]
    return fmean(verdicts) if verdicts else 0.0


def beside_fixed(name: str, mean: int, gates: Sequence[Gate], shared: Ends, fixed: Ends) -> dict[str, Any]:
    """A shared budget beside the same budget for every problem, as the row of a table.

    Returns:
        The figures of the shared budget, those that begin with ``fixed_``, and as ``against_fixed.…`` how
        much more often it is right on the same problems (``against`` in :mod:`.verification`).
    """
    ours, theirs = ({repr(key): verdict for key, (verdict, _) in ends.items()} for ends in (shared, fixed))
    found = accuracy(ours)
    return {
        "method": name,
        "budget": mean,
        "thresholds": [gate.threshold for gate in gates],
        "caps": [gate.cap for gate in gates],
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "problems": sum(verdict is not None for verdict in ours.values()),
        "policy_tokens": fmean(tokens for _, tokens in shared.values()),
        "fixed_accuracy": accuracy(theirs).value,
        "fixed_policy_tokens": fmean(tokens for _, tokens in fixed.values()),
        **{f"against_fixed.{key}": value for key, value in against(ours, theirs).items()},
    }


def shared_in_halves(
    name: str, mean: int, courses: Mapping[tuple[str, str], Course], *, most: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """What a shared budget would have come to, from stored searches alone, as :func:`beside_fixed`.

    Each half of the problems is judged with the gate that is chosen on the other half. No token is saved.

    Args:
        courses: a search for each problem, by name and text.
        most: the tokens that the searches were stopped at, if any.
    """
    problems = Random(seed).sample(sorted(courses), len(courses))
    halves = problems[::2], problems[1::2]
    gates = []
    shared: Ends = {}
    for here, there in (halves, halves[::-1]):
        gates.append(choose_gate([courses[key] for key in there], mean, most=most, seed=seed))
        ends = spend([courses[key] for key in here], gates[-1], mean * len(here))
        shared |= {key: (end.correct, end.tokens) for key, end in zip(here, ends, strict=True)}
    uncut = {key: each.stop(inf, mean) for key, each in courses.items()}
    return beside_fixed(
        name, mean, gates, shared, {key: (end.correct, end.tokens) for key, end in uncut.items()}
    )
