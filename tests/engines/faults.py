"""Replies that are nearly right: other numbers, other types, too much of something."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

Change = Callable[[dict[str, Any]], Any]
"""What is made of the right reply."""


def usage(**numbers: Any) -> Change:
    """The right reply with other numbers of tokens."""
    return lambda reply: reply | {"usage": reply["usage"] | numbers}


def logprob(value: Any) -> Change:
    """The right reply with another log-probability of the first token."""

    def change(reply: dict[str, Any]) -> dict[str, Any]:
        listed = reply["choices"][0].get("logprobs", {})
        if "content" in listed:
            listed["content"][0]["logprob"] = value
        else:
            listed["token_logprobs"][0] = value
        return reply

    return change


def choice(**fields: Any) -> Change:
    """The right reply with other fields of its first choice."""

    def change(reply: dict[str, Any]) -> dict[str, Any]:
        reply["choices"][0] |= fields
        return reply

    return change


def thinks(field: str, value: Any = "Let me see. ") -> Change:
    """A chat whose texts are in another field."""

    def change(reply: dict[str, Any]) -> dict[str, Any]:
        for each in reply["choices"]:
            each["message"] = {"role": "assistant", "content": None, field: value}
            each["finish_reason"] = "length"
        return reply

    return change


def silence(reply: dict[str, Any]) -> dict[str, Any]:
    """Completions that end at once."""
    for each in reply["choices"]:
        each |= {"text": "", "finish_reason": "stop", "stop_reason": None}
    return reply


WITHOUT_END: Final = ("drip", "drip-head", "silent")
TOO_LONG: Final = ("bomb", "endless", "gzip")
PASSING: Final = (429, 500, 503, "cut", "garbage", "odd", *WITHOUT_END, *TOO_LONG)
"""Faults after which a request is tried again."""

ODD: Final[list[Change]] = [
    usage(completion_tokens=-1),
    usage(completion_tokens=2**63),
    usage(completion_tokens=2**64),
    usage(completion_tokens=10**400),
    usage(completion_tokens=1.5),
    usage(completion_tokens="many"),
    usage(prompt_tokens=2**63),
    usage(prompt_tokens=-5),
    usage(prompt_tokens_details={"cached_tokens": 2**70}),
    lambda reply: reply | {"usage": []},
    lambda reply: reply | {"choices": {}},
    lambda reply: reply | {"choices": None},
    lambda reply: reply | {"choices": [None]},
    lambda reply: reply | {"choices": reply["choices"] * 1000},
    lambda reply: [reply],
    lambda reply: b'{"choices": ' + b"[" * 100_000,
    lambda reply: b"\xff\xfe",
    lambda reply: b"",
    logprob(math.nan),
    logprob(math.inf),
    logprob(-math.inf),
    logprob("-0.5"),
    logprob([-0.5]),
    logprob(True),
    logprob(-1e300),
    choice(logprobs=["a"] * 10_000),
    choice(finish_reason=7),
    choice(text=["a", "b"]),
    choice(text="a" * 100_000),
    choice(text="half a pair \ud800"),
]
"""Replies that are no completions, each in its own way; the next one may be right."""
