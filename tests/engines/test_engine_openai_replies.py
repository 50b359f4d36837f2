"""Bytes as tokens, and what is read from the replies of a server."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.openai.byte_prompts import (
    PROBLEM_END,
    QUESTION_END,
    encode_text,
    estimate_tokens,
    split_prompt,
)
from restmcts.engines.openai.replies import (
    Choice,
    Reply,
    all_steps,
    first_step,
    generated_tokens,
    split_total,
)
from restmcts.errors import EngineError
from store.events import Step

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
LINES = st.text(alphabet="ab \n\t\u00e9\u2028", max_size=40)


@given(problem=TEXTS, steps=st.lists(TEXTS, max_size=5), mark=st.sampled_from([PROBLEM_END, QUESTION_END]))
def test_bytes_of_a_prompt_are_its_text(problem: str, steps: list[str], mark: int) -> None:
    parts = [encode_text(step) for step in steps]
    prompt = (*encode_text(problem), mark, *(token for part in parts for token in part))
    assert split_prompt(prompt) == (mark, problem, "".join(steps))
    assert all(0 <= token < 256 for part in parts for token in part)


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert split_prompt((*encode_text("a\ud800b"), PROBLEM_END)) == (PROBLEM_END, "a?b", "")
    assert split_prompt((65, PROBLEM_END, 0xC3)) == (PROBLEM_END, "A", "\ufffd")


@given(TEXTS)
def test_an_estimate_is_not_too_low(text: str) -> None:
    size = len(text.encode())
    assert size <= 2 * estimate_tokens(text) <= size + 1


@given(total=st.integers(0, 10**6), weights=st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_a_split_total_is_exact_and_fair(total: int, weights: list[int]) -> None:
    shares = split_total(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - total * weight / sum(weights)) < 1
    ordered = sorted(zip(weights, shares, strict=True))
    assert all(first[1] <= second[1] for first, second in pairwise(ordered) if first[0] < second[0])


@given(LINES, st.sampled_from(["step", "end", "unknown", "length"]))
def test_steps_joined_are_the_text(text: str, ending: Any) -> None:
    steps = all_steps(text, ending)
    joined = "".join(step.text for step in steps)
    assert text.startswith(joined) and not text[len(joined) :].strip()
    assert all(step.text.strip() for step in steps)
    assert all("\n" not in step.text.strip() and step.text.endswith("\n") for step in steps[:-1])
    assert [step.ended for step in steps] == [False] * (len(steps) - 1) + [ending == "end"] * bool(steps)


@pytest.mark.parametrize(
    ("text", "ending", "step"),
    [
        ("a", "step", Step("a\n", logprob=-1.0)),
        ("a", "unknown", Step("a\n", logprob=-1.0)),
        ("a", "end", Step("a", logprob=-1.0, ended=True)),
        ("a", "length", Step("a", logprob=-1.0)),
        ("a\n", "end", Step("a\n", logprob=-1.0, ended=True)),
        ("a\nb", "end", Step("a\n")),
        ("a\nb", "length", Step("a\n")),
        ("\n \na", "step", Step("\n \na\n", logprob=-1.0)),
        ("a\u2028b", "end", Step("a\u2028b", logprob=-1.0, ended=True)),
        ("", "end", None),
        (" \n\n", "step", None),
    ],
)
def test_the_first_step_of_a_text(text: str, ending: Any, step: Step | None) -> None:
    assert first_step(text, ending, -1.0) == step


@pytest.mark.parametrize(
    ("fields", "stopped", "tells", "ending"),
    [
        ({"finish_reason": "length"}, True, True, "length"),
        ({"finish_reason": "stop", "stop_reason": "\n"}, True, False, "step"),
        ({"finish_reason": "stop", "matched_stop": "\n"}, True, False, "step"),
        ({"finish_reason": "stop", "stop_reason": None}, True, True, "end"),
        ({"finish_reason": "stop", "matched_stop": 151645}, True, True, "end"),
        ({"finish_reason": "stop"}, True, False, "unknown"),
        ({"finish_reason": "stop"}, False, False, "end"),
        ({"finish_reason": None}, False, False, "end"),
    ],
)
def test_why_a_text_ends(fields: dict[str, Any], stopped: bool, tells: bool, ending: str) -> None:
    assert Choice(**fields).ending(stopped=stopped, tells=tells) == ending


@pytest.mark.parametrize("reason", ["content_filter", "abort", "error"])
def test_a_text_that_was_broken_off_is_an_error(reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        Choice(finish_reason=reason).ending(stopped=True, tells=True)


def reply(choices: list[dict[str, Any]], usage: int | None) -> Reply:
    body: dict[str, Any] = {"choices": choices}
    if usage is not None:
        body["usage"] = {"prompt_tokens": 3, "completion_tokens": usage}
    return Reply.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(
    ("choices", "usage", "counts"),
    [
        ([{"text": "aaaa"}, {"text": "bb"}], 8, [5, 3]),  # in proportion to guesses of 3 and 2
        ([{"text": "x", "logprobs": {"token_logprobs": [None, -1, -1]}}], 9, [9]),
        (
            [
                {"text": "x", "logprobs": {"token_logprobs": [-1] * 5}},
                {"text": "yyyyyyyyyyyyyyy", "logprobs": {"token_logprobs": [-1] * 2}},
            ],
            7,
            [5, 2],
        ),
        ([{"text": "x", "logprobs": {"token_logprobs": [-1] * 5}}], None, [5]),
        ([{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": -1}]}}], None, [1]),
        ([{"text": "x" * 100}], None, [20]),  # no more than was allowed
        ([{"text": ""}], 0, [1]),  # the end of the text is a token too
        ([{"text": "aaaa"}, {"text": "bb"}], 1, [1, 1]),
    ],
)
def test_how_many_tokens_each_choice_took(
    choices: list[dict[str, Any]], usage: int | None, counts: list[int]
) -> None:
    assert generated_tokens(reply(choices, usage), 20) == counts
