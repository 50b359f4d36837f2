"""A language model that is asked whether an answer equals the oracle answer."""

from __future__ import annotations

import re
from typing import Final

from restmcts.engines.base import Policy, SamplingRequest, check_samples
from store.events import FREE, Cost

LONGEST_REPLY: Final = 16
"""Tokens of a reply; its first word counts."""

QUESTION: Final = """\
Here is a problem, its right answer, and the answer that somebody gave.

Problem:
{problem}

Right answer: {oracle}
Given answer: {answer}

Do the two answers say the same? Another way of writing is the same; another value is not. Do not solve the \
problem. Reply with the one word YES or NO."""
"""What the model is asked."""

REPLY: Final = "Reply:"
"""How its reply begins."""

_WORD = re.compile(r"\W*(?:reply\W*)?(yes|no)\b", re.IGNORECASE)


def read_verdict(reply: str) -> bool | None:
    """Whether a reply begins with yes or with no; None where it begins with something else."""
    found = _WORD.match(reply)
    return None if found is None else found[1].lower() == "yes"


class EqualityJudge:
    """Asks a policy, at temperature 0, whether answers equal oracle answers.

    Args:
        policy: the language model that is asked.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def equal(self, problem: str, oracle: str, answer: str) -> tuple[bool | None, Cost]:
        """The verdict on an answer, and what it took.

        There is none where the reply says neither, or the question is too long for the model.

        Args:
            problem: the text of the problem.
            oracle: its oracle answer.
            answer: the answer to judge.

        Raises:
            EngineError: the policy failed.
        """
        text = QUESTION.format(problem=problem, oracle=oracle, answer=answer)
        prompt = self._policy.question(text, REPLY)
        if len(prompt) + LONGEST_REPLY > self._policy.context:
            return None, FREE
        request = SamplingRequest(prompt, [0], LONGEST_REPLY, until="end", temperature=0.0)
        samples = await self._policy.propose(request)
        check_samples(samples, self._policy.name)
        (sample,) = samples
        read = len(prompt) if sample.prompt is None else sample.prompt
        cost = Cost(critic=sample.generated, prompt=read, calls=1)
        return read_verdict("".join(step.text for step in sample.steps)), cost
