"""What an OpenAI-compatible server replies, and what of it is a step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from restmcts.engines.base import MOST_TOKENS
from restmcts.engines.openai.byte_prompts import estimate_tokens
from restmcts.errors import EngineError
from restmcts.prompts import SEPARATOR
from store.events import Step

Ending = Literal["step", "end", "unknown", "length"]
"""Why a text ends: the stop string, the end-of-text token, one of the two, or the limit of tokens."""

BROKEN_OFF: Final = ("content_filter", "error", "abort")
AT_LIMIT: Final = ("length", "max_tokens", "model_length")
"""Finish reasons of texts that the server withheld or did not end, and of those that the limit ended."""

TEXT_BYTES: Final = 512
"""The longest token of a text in bytes; the longest ones of known vocabularies have half of that."""

_ELSEWHERE = re.compile(r"reasoning|thinking|thought|refusal|tool_calls|function_call", re.IGNORECASE)

Count = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
"""Tokens as a server counts them."""

LogProbability = Annotated[float, Field(strict=True, ge=-1e9, le=1e9, allow_inf_nan=False)]


class OddReplyError(Exception):
    """A reply that is no completion; the message says what is wrong with it. The next one may be right."""


class TokenLogprob(BaseModel):
    """One token of a chat reply."""

    logprob: LogProbability


class Logprobs(BaseModel):
    """Log-probabilities of the sampled tokens: a list in completions, objects in chats."""

    token_logprobs: list[LogProbability | None] | None = Field(default=None, fail_fast=True)
    content: list[TokenLogprob] | None = Field(default=None, fail_fast=True)

    def values(self) -> list[float]:
        """The log-probability of each token that has one."""
        if self.content is not None:
            return [token.logprob for token in self.content]
        return [value for value in self.token_logprobs or [] if value is not None]


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    content: str | None = None


class Choice(BaseModel):
    """One continuation. ``stop_reason`` (vLLM) and ``matched_stop`` (SGLang) tell what ended it."""

    model_config = ConfigDict(extra="allow")

    text: str | None = None
    message: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: Any = None
    matched_stop: Any = None

    @property
    def content(self) -> str:
        """The text, wherever it stands."""
        return self.text or (self.message.content if self.message else None) or ""

    @property
    def elsewhere(self) -> str | None:
        """The field that holds what a model wrote that is not its text: its reasoning, a call, a refusal."""
        fields = (self.message.model_extra if self.message else None) or self.model_extra or {}
        found = (name for name, value in fields.items() if value and _ELSEWHERE.search(name))
        return next((name[:40] for name in found if name.isprintable()), None)

    @property
    def names_stop(self) -> bool:
        """Whether the server says which stop string it met."""
        return isinstance(self.stop_reason, str) or isinstance(self.matched_stop, str)

    def ending(self, *, stopped: bool, tells: bool) -> Ending:
        """Why the text ends.

        Args:
            stopped: a stop string was asked for.
            tells: the server is known to name the stop string where it met one, so that no name means the
                end of the text.

        Raises:
            EngineError: the server withheld the text or broke off.
        """
        reason = (self.finish_reason or "").lower()
        if reason in BROKEN_OFF:
            raise EngineError(f"the server ended a text with {reason!r}")
        if reason in AT_LIMIT:
            return "length"
        if not stopped:
            return "end"
        if self.names_stop:
            return "step"
        return "end" if tells else "unknown"


class PromptDetails(BaseModel):
    cached_tokens: Count | None = None


class Usage(BaseModel):
    """Tokens as the server counts them, of all choices together; None where it does not."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: PromptDetails | None = None


class Reply(BaseModel):
    """A completion or a chat completion."""

    choices: list[Choice] = Field(min_length=1, fail_fast=True)
    usage: Usage | None = None


class ServedModel(BaseModel):
    """A model in the list of a server, with the longest text that it reads, in tokens."""

    id: str
    max_model_len: Annotated[int, Field(ge=1, le=MOST_TOKENS)]


def read_reply(content: bytes, samples: int, max_tokens: int) -> Reply:
    """The reply to a request for ``samples`` texts of at most ``max_tokens`` tokens.

    Raises:
        OddReplyError: it is no completion, has more texts than were asked for, or longer ones than any token
            could make them, or a number in it is none.
    """
    try:
        reply = Reply.model_validate(from_json(content, cache_strings="keys"))
    except ValidationError as error:
        raise OddReplyError(_what_is_odd(error)) from None
    except (ValueError, RecursionError) as error:
        raise OddReplyError(f"replied with something that is not a completion: {error}") from None
    if len(reply.choices) > samples:
        raise OddReplyError(f"replied with {len(reply.choices)} texts where {samples} were asked for")
    longest = max(len(choice.content) for choice in reply.choices)
    if longest > TEXT_BYTES * max_tokens:
        raise OddReplyError(
            f"replied with a text of {longest} letters where {max_tokens} tokens were asked for"
        )
    return reply


def read_models(content: bytes) -> list[ServedModel]:
    """The models in the list of a server of which it says the context; none where it is no such list."""
    try:
        listed = from_json(content, cache_strings="keys")
    except (ValueError, RecursionError):
        return []
    entries = listed.get("data") if isinstance(listed, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            found.append(ServedModel.model_validate(entry))
        except ValidationError:
            continue  # servers need not say how much a model reads
    return found


def _what_is_odd(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "finite_number":
        return f"the policy gave a log-probability that is not a number ({place})"
    return f"replied with something that is not a completion ({place}: {first['msg']})"


def generated_tokens(reply: Reply, longest: int) -> list[int]:
    """How many tokens each choice took; together what the server counted, or their number where that is more.

    Every text takes a token, if only the one that ends it: searches that take none would never end. Where
    the server gives no usage, its log-probabilities are counted, and without those the text is guessed at
    (:func:`~restmcts.engines.openai.byte_prompts.estimate_tokens`, at most ``longest`` for a choice and one
    for the end).
    """
    listed = [len(choice.logprobs.values()) if choice.logprobs else 0 for choice in reply.choices]
    guessed = [min(estimate_tokens(choice.content) + 1, longest) for choice in reply.choices]
    weights = listed if all(listed) else guessed
    counted = reply.usage.completion_tokens if reply.usage else None
    return weights if counted is None else split_total(max(counted, len(weights)), weights)


def split_total(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``weights`` (above 0), exactly: by largest remainders."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -remainders[index])
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def first_step(text: str, ending: Ending, logprob: float | None = None) -> Step | None:
    """The first step of a continuation: up to the first newline after something visible.

    Blank lines in front are part of the step, so that steps joined are the text. A server leaves the stop
    string out: it is put back. Where it cannot tell a stop string from the end of the text, the step is
    taken for one that goes on; if that was the end, nothing will follow.

    Returns:
        None where nothing is visible.
    """
    start = len(text) - len(text.lstrip())
    if start == len(text):
        return None
    end = text.find(SEPARATOR, start)
    if end >= 0:
        ended = ending == "end" and not text[end:].strip()
        return Step(text[: end + 1], logprob=logprob if end + 1 == len(text) else None, ended=ended)
    if ending in ("step", "unknown"):
        return Step(text + SEPARATOR, logprob=logprob)
    return Step(text, logprob=logprob, ended=ending == "end")


def all_steps(text: str, ending: Ending) -> tuple[Step, ...]:
    """A whole continuation as steps; the last one has ``ended`` set where the text came to its end."""
    steps: list[Step] = []
    while (step := first_step(text, "length")) is not None:
        steps.append(step)
        text = text[len(step.text) :]
    if steps and ending == "end":
        steps[-1] = Step(steps[-1].text, ended=True)
    return tuple(steps)


def total_logprob(choice: Choice) -> float | None:
    """The sum of the log-probabilities of a choice, None where the server gives none."""
    values = choice.logprobs.values() if choice.logprobs else []
    return sum(values) if values else None
