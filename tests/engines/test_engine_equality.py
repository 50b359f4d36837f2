"""A language model that is asked whether two answers are equal."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.prompted.equality import EqualityJudge, read_verdict
from restmcts.loops.stored.auditing import JudgeGrader
from restmcts.problems.problem import Problem
from store.events import FREE, Cost
from tests.engines.test_engine_prompted import Speaker


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (" YES", True),
        ("No, 5 is not 6.", False),
        ("Reply: **Yes**", True),
        ("yes.\nno", True),
        ("", None),
        ("Nothing", None),
        ("I would say yes", None),
        ("yesterday", None),
    ],
)
def test_the_first_word_of_a_reply_counts(reply: str, verdict: bool | None) -> None:
    assert read_verdict(reply) is verdict


@given(st.text())
def test_any_reply_is_read(reply: str) -> None:
    assert read_verdict(reply) in (True, False, None)


def test_each_answer_is_asked_for_and_paid_for() -> None:
    speaker = Speaker(["yes", "no, it is not", "perhaps"])
    with asyncio.Runner() as runner:
        grader = JudgeGrader(EqualityJudge(speaker), runner)
        problem = Problem("p", "What is 2 + 3?", "5")
        assert grader.grade(problem, ["five", "6", "x"]) == [True, False, None]
        assert grader.cost == Cost(critic=2 + 5 + 2, prompt=3 * 7, calls=3)
    question, reply, request = speaker.asked[0]
    assert "What is 2 + 3?" in question
    assert "Right answer: 5\nGiven answer: five\n" in question
    assert reply == "Reply:"
    assert (request.temperature, request.until) == (0.0, "end")


def test_a_question_that_is_too_long_is_not_asked() -> None:
    speaker = Speaker(["yes"], context=50)
    judge = EqualityJudge(speaker)
    assert asyncio.run(judge.equal("x" * 100, "5", "five")) == (None, FREE)
    assert speaker.asked == []
