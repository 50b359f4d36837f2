"""The self-critic by rule: is a partial solution already a whole one?"""

from __future__ import annotations

from collections.abc import Sequence

from restmcts.problems.answers import find_answer, is_complete, normalize_answer
from restmcts.search.requests import Verdict
from store.trace import Step


def rule_critic(steps: Sequence[Step]) -> Verdict:
    """Finished when the policy ended its text or the text states an answer (boxed, "answer is").

    The answer is looked for whether or not the solution is finished.
    """
    text = "".join(step.text for step in steps)
    finished = bool(steps) and (steps[-1].ended or is_complete(text))
    if not finished:
        return Verdict(False)
    answer = find_answer(text)
    return Verdict(finished, None if answer is None else normalize_answer(answer))
