"""The self-critic by rule: is a partial solution already a whole one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restmcts.grading.finding import find_answer, is_complete, normalize_answer
from store.events import FREE, Cost, Step


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a self-critic thinks of a partial solution.

    ``finished``: nothing is left to do; ``answer`` is the normalized answer found in the text; ``advice``
    is for the next step. ``cost`` is what it took to ask.
    """

    finished: bool
    answer: str | None = None
    advice: str | None = None
    cost: Cost = FREE


def rule_critic(steps: Sequence[Step]) -> Verdict:
    """Finished when the policy ended its text or the text states an answer (boxed, "answer is")."""
    text = "".join(step.text for step in steps)
    finished = bool(steps) and (steps[-1].ended or is_complete(text))
    return declared_finished(steps) if finished else Verdict(False)


def declared_finished(steps: Sequence[Step]) -> Verdict:
    """The verdict on a solution that a search takes for finished, whatever it says: with the answer in it."""
    answer = find_answer("".join(step.text for step in steps))
    return Verdict(True, None if answer is None else normalize_answer(answer))
