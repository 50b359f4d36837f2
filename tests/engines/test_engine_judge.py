"""A language model that is asked how many points a solution deserves."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.prompted.judge import MOST_POINTS, Judgement, PromptedJudge, parse_points
from store.events import Cost
from tests.engines.test_engine_prompted import Speaker


@pytest.mark.parametrize(
    ("reply", "points"),
    [
        (" All is right.\nPoints: 5", 5.0),
        ("Statement 4 is not true.\n**Points:** 3", 3.0),
        ("Points: 2 ... no.\nPoints: 4", 4.0),
        ("Score: 3.5", 3.5),
        ("I give it 4/5.", 4.0),
        ("That makes 2 out of 5 points", 2.0),
        ("Total points: 1/5", 1.0),
        ("The score is 3.", 3.0),
        (" 4", 4.0),
        ("Assessment: 4", 4.0),
        ("3 points.", 3.0),
        ("", None),
        ("Points: N", None),
        ("Points: 7", None),
        ("Points: 42", None),
        ("Points: 4/10", None),
        ("Points: -1", None),
        ("Statement 3 is not true.", None),
        ("Points: 80%", None),
        ("Points: 0 to 5", None),
        ("Points: 0-5\nPoints: 2", 2.0),
        ("Points: 4\nThe first step is wrong.", 4.0),
    ],
)
def test_points_are_read_from_replies(reply: str, points: float | None) -> None:
    assert parse_points(reply) == points


@given(st.text())
def test_points_of_any_text_are_none_or_on_the_scale(reply: str) -> None:
    points = parse_points(reply)
    assert points is None or 0 <= points <= MOST_POINTS


def judged(speaker: Speaker, judgements: int = 3, longest: int = 50) -> Judgement:
    judge = PromptedJudge(speaker, judgements, longest)
    assert judge.most_tokens == judgements * longest
    return asyncio.run(judge.judge("What is 1 + 1?", "1 + 1 = 2\n", 2**63 - 1))


def test_the_mean_of_the_readable_judgements_counts_and_all_are_paid_for() -> None:
    speaker = Speaker(["Fine.\nPoints: 4", "no idea", "Points: 5"])
    replies = ("Assessment:Fine.\nPoints: 4", "Assessment:no idea", "Assessment:Points: 5")
    assert judged(speaker) == Judgement(4.5, 1, Cost(critic=4 + 3 + 3, prompt=7, calls=1), replies)
    ((question, reply, request),) = speaker.asked
    assert "What is 1 + 1?" in question and "Solution:\n1 + 1 = 2\n" in question
    assert reply == "Assessment:"
    assert len(set(request.seeds)) == 3 and all(0 <= seed < 2**63 for seed in request.seeds)
    assert (request.max_tokens, request.until, request.temperature) == (50, "end", 0.7)


def test_without_reasons_the_reply_begins_with_the_points() -> None:
    speaker = Speaker([" 4\nThe third step is wrong."])
    judge = PromptedJudge(speaker, 1, 8, reasons=False)
    assert asyncio.run(judge.judge("What is 1 + 1?", "2", 1)).points == 4.0
    ((question, reply, _),) = speaker.asked
    assert question.endswith("a whole number from 0 to 5, and nothing else.")
    assert reply == "Points:"


def test_one_judgement_is_asked_for_at_temperature_0() -> None:
    speaker = Speaker(["what?"])
    assert judged(speaker, 1) == Judgement(None, 1, Cost(critic=2, prompt=7, calls=1), ("Assessment:what?",))
    assert speaker.asked[0][2].temperature == 0.0


def test_a_solution_that_is_too_long_is_not_asked_about() -> None:
    speaker = Speaker(["Points: 5"], context=100)
    assert judged(speaker) == Judgement(None, 0)
    assert speaker.asked == []
