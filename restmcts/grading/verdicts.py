"""The self-critic by rule: is a partial solution already a whole one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restmcts.grading.finding import AnswerFinder
from restmcts.problems.problem import Problem
from store.events import FREE, Cost, Step


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a self-critic thinks of a partial solution.

    ``finished``: nothing is left to do; ``answer`` is the answer found in the text, in one spelling;
    ``advice`` is for the next step. ``cost`` is what it took to ask.
    """

    finished: bool
    answer: str | None = None
    advice: str | None = None
    cost: Cost = FREE


def rule_critic(problem: Problem, steps: Sequence[Step], finder: AnswerFinder) -> Verdict:
    """Finished when the policy ended its text, or the text states an answer already."""
    ended = bool(steps) and steps[-1].ended
    finished = ended or (bool(steps) and finder.is_complete(_text(steps), problem))
    return declared_finished(problem, steps, finder) if finished else Verdict(False)


def declared_finished(problem: Problem, steps: Sequence[Step], finder: AnswerFinder) -> Verdict:
    """The verdict on a solution that a search takes for finished, whatever it says: with the answer in it."""
    return Verdict(True, finder.find_answer(_text(steps), problem))


def _text(steps: Sequence[Step]) -> str:
    return "".join(step.text for step in steps)
