"""A language model as value model: it is asked how good a partial solution is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from restmcts.engines.base import (
    GRADE_CALLS,
    Grade,
    Policy,
    Remarking,
    Sample,
    SamplingRequest,
    Tokens,
    check_samples,
)
from restmcts.engines.openai.byte_prompts import PROBLEM_END, encode_text, split_prompt
from restmcts.errors import EngineError
from store.events import Step

GRADE_TOKENS: Final = 16
"""The longest reply, in tokens."""

SPREAD_TEMPERATURE: Final = 0.5
"""The temperature when several grades are averaged; a single one is asked for at temperature 0."""

SECOND_TEMPERATURE: Final = 0.7
"""The temperature when a reply had no grade in it: at 0 the reply would be the same again."""

QUESTION: Final = """\
Here is a problem, and a solution of it as far as it is written.

Problem:
{problem}

Solution so far:
{steps}

How likely is it that these steps are right and lead to the right answer? Reply with one number between 0 \
and 1 and nothing else: 0 if a step is certainly wrong, 1 if all are certainly right, 0.5 if unsure."""
"""What the model is asked about every partial solution."""

REPLY: Final = "Number:"
"""How its reply begins."""

LONGEST_QUOTE: Final = 200
"""Characters of a reply in a message."""

_SCALE = re.compile(r"(?<![\d.])0(?:\.0+)?\s*(?:-|\N{EN DASH}|to|and|,|through)\s*1(?:\.0+)?(?![\d.]*\d)")
_LABEL = re.compile(r"\W*(?:(?:number|grade|score|value|rating|probability)\W+(?:is\W+)?)?", re.IGNORECASE)
_REST = re.compile(r"[^\w\n]*(?:\n|$)")
_NUMBER = re.compile(
    r"(?<![\w.\-])(?P<value>\d{1,6}(?:\.\d{1,12})?|\.\d{1,12})(?![\d.]*\d)"
    r"(?:\s*(?P<percent>%|percent\b)|\s*(?:/|out of)\s*(?P<whole>\d{1,6}(?:\.\d+)?))?"
)


def parse_grade(reply: str) -> float | None:
    """The first grade in a reply, 0 to 1; None if there is none.

    A grade is a decimal ("0.8"), a fraction ("8/10", "8 out of 10") or a percentage ("80 %"). A bare 0 or 1
    is one only where it is all that the first line says, after a label ("Grade: 1") at most, as it may number
    a step anywhere else. The scale itself ("0 to 1") is passed over, and so is whatever lies outside of it.
    """
    reply = _SCALE.sub(" ", reply)
    label = _LABEL.match(reply)
    start = label.end() if label else 0
    for match in _NUMBER.finditer(reply):
        value, whole = float(match["value"]), match["whole"]
        if whole is not None:
            value = value / float(whole) if float(whole) else -1.0
        elif match["percent"]:
            value /= 100
        elif "." not in match["value"] and not (match.start() == start and _REST.match(reply, match.end())):
            continue
        if 0 <= value <= 1:
            return value
    return None


class PromptedValueModel:
    """Grades partial solutions by asking a language model, as the paper does where it has no trained one.

    The question is :data:`QUESTION`; what counts as a grade says :func:`parse_grade`. ``samples`` grades are
    averaged. A reply without a grade is asked for once more; a second one fails the search, because a value
    that is made up would mislead it. Prompts are bytes, as in :mod:`restmcts.engines.openai.byte_prompts`.
    """

    def __init__(self, policy: Policy, samples: int = 1) -> None:
        """Ask ``policy``, which this owns: :meth:`close` closes it.

        Args:
            policy: a language model, whose ``context`` is in bytes or smaller than that.
            samples: grades for each value, at least 1.
        """
        self._policy = policy
        self._samples = samples
        self.name = policy.name
        self.context = policy.context - len(QUESTION) - len(REPLY) - GRADE_TOKENS
        self.most_tokens = GRADE_CALLS * samples * GRADE_TOKENS

    def prompt(self, problem: str) -> Tokens:
        """The bytes of a problem and the mark after it."""
        return (*encode_text(problem), PROBLEM_END)

    def tokens(self, step: Step) -> Tokens:
        """The bytes of the text of a step."""
        return encode_text(step.text)

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, 0 to 1.

        Raises:
            EngineError: the model failed, or twice gave something that is not a number.
        """
        return [grade.value for grade in await self.grade(prompts)]

    async def grade(self, prompts: Sequence[Tokens]) -> list[Grade]:
        """The value of each partial solution, and the tokens that it took; see :meth:`score`."""
        return list(await asyncio.gather(*map(self._grade, prompts)))

    def stats(self) -> dict[str, float]:
        """What the language model has done so far."""
        return self._policy.stats()

    def remarks(self) -> list[str]:
        """What the language model has to say."""
        return self._policy.remarks() if isinstance(self._policy, Remarking) else []

    def close(self) -> None:
        """Close the language model."""
        self._policy.close()

    async def _grade(self, prompt: Tokens) -> Grade:
        _, problem, steps = split_prompt(prompt)
        text = QUESTION.format(problem=problem, steps=steps.strip() or "(nothing yet)")
        question = self._policy.question(text, REPLY)
        temperature = SPREAD_TEMPERATURE if self._samples > 1 else 0.0
        samples = await self._ask(question, range(self._samples), temperature)
        values = [parse_grade(_text(sample)) for sample in samples]
        missing = sum(value is None for value in values)
        calls = 1
        if missing:
            seeds = range(self._samples, self._samples + missing)
            again = await self._ask(question, seeds, SECOND_TEMPERATURE)
            samples, values, calls = samples + again, values + [parse_grade(_text(s)) for s in again], 2
        found = [value for value in values if value is not None]
        if len(found) < self._samples:
            reply = " ".join(_text(samples[-1]).split())[:LONGEST_QUOTE]
            raise EngineError(f"{self.name}: gave no grade from 0 to 1, twice; the last reply was {reply!r}")
        read = len(question) if samples[0].prompt is None else samples[0].prompt
        generated = sum(sample.generated for sample in samples)
        return Grade(round(fmean(found), 6), read * calls, generated, calls)

    async def _ask(self, question: Tokens, seeds: Sequence[int], temperature: float) -> list[Sample]:
        samples = await self._policy.propose(
            SamplingRequest(question, seeds, GRADE_TOKENS, until="end", temperature=temperature)
        )
        check_samples(samples, self.name)
        return samples


def _text(sample: Sample) -> str:
    return "".join(step.text for step in sample.steps)
