"""The self-critic as a search asks it: by rule, or by asking the policy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from restmcts.engines.base import Policy, SamplingRequest, check_samples
from restmcts.grading.finding import AnswerFinder, MathAnswers
from restmcts.grading.verdicts import Verdict, declared_finished, rule_critic
from restmcts.problems.problem import Problem
from store.events import Cost, Step

CRITIC_TOKENS: Final = 64
"""The longest reply of the policy as its own critic, in tokens."""

LONGEST_ADVICE: Final = 300
"""Characters of advice that go into the next prompt."""

STATE_THE_ANSWER: Final = "Everything is done: state the final answer in \\boxed{}."

QUESTION: Final = """\
Here is a problem, and a solution of it as far as it is written.

Problem:
{problem}

Solution so far:
{steps}

Is this solution complete, so that nothing is left to work out? If it is, reply with the one word DONE. If \
it is not, reply with one sentence of advice for the very next step, and do not take that step."""
"""What the policy is asked."""

REPLY: Final = "Reply:"
"""How its reply begins."""

_DONE = re.compile(r"\W*done\b", re.IGNORECASE)


class RuleCritic:
    """The rule (:mod:`restmcts.grading.verdicts`) as a critic; it generates nothing.

    Args:
        finder: finds the answers, usually the grader of the run.
    """

    def __init__(self, finder: AnswerFinder | None = None) -> None:
        self._finder = finder or MathAnswers()

    async def judge(self, problem: Problem, steps: Sequence[Step], most: int | None) -> Verdict:
        """The verdict by rule, at once."""
        return rule_critic(problem, steps, self._finder)

    def declared(self, problem: Problem, steps: Sequence[Step]) -> Verdict:
        """Finished, with the answer that the finder finds."""
        return declared_finished(problem, steps, self._finder)


class PromptedCritic(RuleCritic):
    """The policy as its own critic (paper, Section 3.1).

    A solution that is finished by rule is not asked about. Otherwise the policy says that it is complete, or
    gives advice, which goes into the prompt of the next step. It is asked at temperature 0. Where too few
    tokens are left, or the question is too long for the model, the rule alone decides.
    """

    def __init__(self, policy: Policy, finder: AnswerFinder | None = None) -> None:
        super().__init__(finder)
        self._policy = policy

    async def judge(self, problem: Problem, steps: Sequence[Step], most: int | None) -> Verdict:
        """Finished, or what to do next.

        Raises:
            EngineError: the policy failed.
        """
        verdict = await super().judge(problem, steps, most)
        if verdict.finished or not steps or (most is not None and most < CRITIC_TOKENS):
            return verdict
        text = "".join(step.text for step in steps)
        prompt = self._policy.question(QUESTION.format(problem=problem.text, steps=text.strip()), REPLY)
        if len(prompt) + CRITIC_TOKENS > self._policy.context:
            return verdict
        samples = await self._policy.propose(
            SamplingRequest(prompt, [0], max_tokens=CRITIC_TOKENS, until="step", temperature=0.0)
        )
        check_samples(samples, self._policy.name)
        (sample,) = samples
        read = len(prompt) if sample.prompt is None else sample.prompt
        cost = Cost(critic=sample.generated, prompt=read, calls=1)
        reply = "".join(step.text for step in sample.steps)
        return read_reply(reply, self._finder.find_answer(text, problem), cost)


def read_reply(reply: str, answer: str | None, cost: Cost) -> Verdict:
    """The verdict that a reply amounts to; no advice where the reply is empty.

    ``answer`` is what was found in the solution. A solution that is said to be complete but in which no
    answer can be found is not: then the advice is to state it.
    """
    if not _DONE.match(reply):
        advice = " ".join(reply.split())[:LONGEST_ADVICE]
        return Verdict(False, advice=advice or None, cost=cost)
    if answer is None:
        return Verdict(False, advice=STATE_THE_ANSWER, cost=cost)
    return Verdict(True, answer, cost=cost)
