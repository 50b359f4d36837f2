"""One token budget for a whole set of problems: stop where the answer is sure, spend the rest elsewhere.

A search is stopped when the confidence of its answer reaches a threshold, and at a cap otherwise. Both are
chosen on other problems. Everything here is a pure function of searches that went on to the cap at least, and
is exact for methods whose course does not depend on how much of their budget is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any, Final

import numpy as np

from restmcts.evaluation.confidence import confidence
from store.answers import RULES
from store.events import SearchRecord, Stopped
from store.tree import Tree, fold

KEPT: Final = 0.5
"""The share of the mean that is kept for every problem that still waits, whatever the others take."""

CAPS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""What a problem may take at most, as multiples of the mean, to choose from."""

THRESHOLDS: Final = 20
"""How many confidences there are to choose from, spread evenly over those that searches have."""

ORDERS: Final = 5
"""Orders of the problems that the outcome of a choice is averaged over."""


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
    verdicts = {node.answer: node.correct for node in fold(record.events).finished()}
    constants: Mapping[str, Any] = record.header.settings.get("constants") or {}
    tree = Tree()
    moments = [Moment(0, 0.0, False)]

    def look() -> None:
        found = RULES[rule].run(tree)
        correct = False if found is None else verdicts.get(found[0], False)
        sure = confidence(tree, rule, constants)
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


def choose_gate(courses: Sequence[Course], mean: int, *, seed: int = 0) -> Gate:
    """The threshold and the cap with which most of the problems are right at ``mean`` tokens a problem.

    All pairs of a grid are tried, each with several orders of the problems; of equally good pairs the one
    that takes the fewest tokens is chosen. The budget that is the same for every problem is one of them.

    Args:
        courses: searches of other problems than those that the gate is for, with at least the tokens of the
            largest cap (:data:`CAPS`) wherever they did not end by themselves.
        mean: generated tokens a problem, at least 1.
        seed: of the orders.

    Raises:
        ValueError: there is no course.
    """
    if not courses:
        raise ValueError("a threshold is chosen on at least one problem")
    random = Random(seed)
    orders = [random.sample(courses, len(courses)) for _ in range(ORDERS)]
    caps = sorted({max(1, round(mean * factor)) for factor in CAPS})
    gates = [Gate(threshold, cap) for cap in caps for threshold in _thresholds(courses)]

    def worth(gate: Gate) -> tuple[float, float]:
        ends = [moment for order in orders for moment in spend(order, gate, mean * len(courses))]
        return accuracy_of(ends), -fmean(moment.tokens for moment in ends)

    return max(gates, key=worth)


def _thresholds(courses: Sequence[Course]) -> list[float]:
    """Confidences to choose from, the largest first; 1 is never reached by a vote."""
    seen = [moment.confidence for each in courses for moment in each.moments[1:]]
    if not seen:
        return [1.0]
    spread = np.quantile(seen, np.linspace(0, 1, THRESHOLDS))
    return [1.0, *sorted({round(float(value), 4) for value in spread if value > 0}, reverse=True)]


def accuracy_of(ends: Sequence[Moment]) -> float:
    """The share of right answers among those with a verdict; 0 without any."""
    verdicts = [moment.correct for moment in ends if moment.correct is not None]
    return fmean(verdicts) if verdicts else 0.0
