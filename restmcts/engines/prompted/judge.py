"""A language model that is asked how many points a solution deserves (Self-Rewarding, arXiv 2401.10020)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from restmcts.engines.base import Policy, SamplingRequest, check_samples
from store.events import FREE, Cost

MOST_POINTS: Final = 5

SPREAD_TEMPERATURE: Final = 0.7
"""The temperature when several judgements are averaged; a single one is asked for at temperature 0."""

QUESTION: Final = """\
You mark solutions of problems. A solution starts with no point and earns one point for each of these \
statements that is true:
1. It deals with the problem that was posed, and not with another one.
2. It has a plan that can lead to the answer, even if it is not carried out well.
3. Each step follows from the problem or from the steps before it.
4. All calculations in it are right.
5. It ends with one clear final answer, and that answer is right.

Problem:
{problem}

Solution:
{solution}

{reply}"""
"""What the model is asked about every finished solution."""

WITH_REASONS: Final = (
    """\
Say in one or two short sentences which statements are not true. Then end with a line of the form \
"Points: N", where N is a whole number from 0 to 5.""",
    "Assessment:",
)
"""How a model is asked for reasons before the points, and how its reply begins."""

POINTS_ALONE: Final = (
    "Reply with the number of points, a whole number from 0 to 5, and nothing else.",
    "Points:",
)
"""The same without reasons."""

_NUMBER = r"(?<![\w.\-])(\d(?:\.\d{1,4})?)(?![\w%]|\.\d|\s*(?:-|to|or)\s*\d)"
_LABELLED = re.compile(
    rf"(?:points?|score|total)\W{{1,6}}(?:is\W{{1,3}})?{_NUMBER}(?:\s*(?:/|out of)\s*(\d+))?", re.IGNORECASE
)
_OF_FIVE = re.compile(rf"{_NUMBER}\s*(?:/|out of)\s*(5)(?!\d)")
_ALONE = re.compile(r"\W*(?:assessment\W*)?(\d(?:\.\d{1,4})?)(?:\s*points?)?\W*", re.IGNORECASE)


def parse_points(reply: str) -> float | None:
    """The points in a reply, 0 to 5; None where it names none.

    They are the last number behind "Points", "Score" or "Total", the last one that is said to be out of five,
    or a number that is the whole reply.
    """
    labelled = [match for match in _LABELLED.finditer(reply) if match[2] in (None, "5")]
    found = labelled or list(_OF_FIVE.finditer(reply))
    match = found[-1] if found else _ALONE.fullmatch(reply)
    points = None if match is None else float(match[1])
    return points if points is not None and points <= MOST_POINTS else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judging a solution gave and took.

    ``points``: the mean of the readable judgements, 0 to 5; None where none is readable. ``replies`` are what
    the model wrote; none where the question is too long for it.
    """

    points: float | None
    unreadable: int
    cost: Cost = FREE
    replies: tuple[str, ...] = ()


class PromptedJudge:
    """Asks a policy for the points of solutions, by an additive scale of five statements.

    The question is :data:`QUESTION`; what counts as points says :func:`parse_points`.

    Args:
        policy: the language model that is asked.
        judgements: how many judgements of a solution are averaged, at least 1.
        longest: the longest reply, in tokens.
        reasons: whether it is asked for reasons before the points.
    """

    def __init__(self, policy: Policy, judgements: int, longest: int, *, reasons: bool = True) -> None:
        self._policy = policy
        self._asked, self._begun = WITH_REASONS if reasons else POINTS_ALONE
        self._judgements = judgements
        self._longest = longest
        self.most_tokens = judgements * longest
        """The most tokens that it generates for one solution."""

    async def judge(self, problem: str, solution: str, seed: int) -> Judgement:
        """The points of a finished solution.

        Args:
            problem: the text of the problem.
            solution: the text of the solution.
            seed: the seed of the first judgement, 0 to 2**63; the others have the seeds that follow.

        Raises:
            EngineError: the policy failed.
        """
        text = QUESTION.format(problem=problem, solution=solution.strip(), reply=self._asked)
        prompt = self._policy.question(text, self._begun)
        if len(prompt) + self._longest > self._policy.context:
            return Judgement(None, 0)
        seeds: Sequence[int] = [(seed + number) % 2**63 for number in range(self._judgements)]
        temperature = SPREAD_TEMPERATURE if self._judgements > 1 else 0.0
        samples = await self._policy.propose(
            SamplingRequest(prompt, seeds, self._longest, until="end", temperature=temperature)
        )
        check_samples(samples, self._policy.name)
        replies = tuple(self._begun + "".join(step.text for step in sample.steps) for sample in samples)
        points = [found for reply in replies if (found := parse_points(reply)) is not None]
        read = len(prompt) if not samples or samples[0].prompt is None else samples[0].prompt
        cost = Cost(critic=sum(sample.generated for sample in samples), prompt=read, calls=1)
        mean = round(fmean(points), 6) if points else None
        return Judgement(mean, len(replies) - len(points), cost, replies)
