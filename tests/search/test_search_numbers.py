"""Engines that give numbers that are none, or cannot be: their searches fail, whatever engine it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from restmcts.engines.base import Grade, Sample, SamplingRequest, Tokens
from restmcts.engines.prompted.critic import PromptedCritic
from restmcts.search.methods.mcts import Mcts
from store.encoding.searches import decode_search, encode_search
from store.events import SearchRecord, Stopped
from tests.search.search_engines import Judge, Writer, engines, run, task

MCTS = task("mcts", Mcts(rounds=4))


@dataclass
class Odd(Writer):
    """A policy of which every sample is changed from a call on."""

    changes: Any = None
    first: int = 1

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        samples = await super().propose(request)
        return samples if len(self.calls) < self.first else [self.changed(sample) for sample in samples]

    def changed(self, sample: Sample) -> Sample:
        if "logprob" not in self.changes:
            return replace(sample, **self.changes)
        return replace(sample, steps=tuple(replace(step, **self.changes) for step in sample.steps))


def failed_with(record: SearchRecord, words: str) -> bool:
    last = record.events[-1]
    assert isinstance(last, Stopped)
    assert decode_search(encode_search(record)) == record
    return record.result.reason == "failed" and words in (last.message or "")


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logprob": math.nan}, "writer: the policy gave a log-probability that is not a number"),
        ({"logprob": math.inf}, "a log-probability that is not a number"),
        ({"logprob": -math.inf}, "a log-probability that is not a number"),
        ({"generated": 2**63}, f"{2**63} tokens were counted for a request"),
        ({"generated": -1}, "-1 tokens were counted"),
        ({"prompt": 2**64}, f"{2**64} tokens were counted"),
    ],
)
def test_a_policy_whose_numbers_are_none(changes: dict[str, Any], words: str, first: int) -> None:
    assert failed_with(run(MCTS, engines(Odd(changes=changes, first=first))), words)


def test_a_critic_whose_numbers_are_none() -> None:
    odd = Odd(changes={"generated": 2**63}, first=1)
    assert failed_with(run(MCTS, engines(Writer(), critic=PromptedCritic(odd))), "tokens were counted")


class Broken(Judge):
    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        return [math.nan for _ in await super().score(prompts)]


@dataclass
class Grader(Judge):
    """A value model that is asked in words."""

    most_tokens: int = 4
    grade_of: Grade = Grade(0.5, 1, 1)  # noqa: RUF009 - it is frozen

    async def grade(self, prompts: Sequence[Tokens]) -> list[Grade]:
        return [self.grade_of for _ in prompts]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Broken(), "judge: the value model gave something that is not a number"),
        (Grader(grade_of=Grade(math.nan, 1, 1)), "something that is not a number"),
        (Grader(grade_of=Grade(0.5, 2**63, 1)), "tokens were counted"),
        (Grader(grade_of=Grade(0.5, 1, -1)), "tokens were counted"),
    ],
)
def test_a_value_model_whose_numbers_are_none(value: Judge, words: str) -> None:
    assert failed_with(run(MCTS, engines(value=value)), words)
