"""What an OpenAI-compatible server replies, and what of it is a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from restmcts.engines.openai.byte_prompts import estimate_tokens
from restmcts.errors import EngineError
from restmcts.prompts import SEPARATOR
from store.events import Step

Ending = Literal["step", "end", "unknown", "length"]
"""Why a text ends: the stop string, the end-of-text token, one of the two, or the limit of tokens."""


class TokenLogprob(BaseModel):
    """One token of a chat reply."""

    logprob: float


class Logprobs(BaseModel):
    """Log-probabilities of the sampled tokens: a list in completions, objects in chats."""

    token_logprobs: list[float | None] | None = None
    content: list[TokenLogprob] | None = None

    def values(self) -> list[float]:
        """The log-probability of each token that has one."""
        if self.content is not None:
            return [token.logprob for token in self.content]
        return [value for value in self.token_logprobs or [] if value is not None]


class Message(BaseModel):
    content: str | None = None


class Choice(BaseModel):
    """One continuation. ``stop_reason`` (vLLM) and ``matched_stop`` (SGLang) tell what ended it."""

    text: str | None = None
    message: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    stop_reason: str | int | None = None
    matched_stop: str | int | None = None

    @property
    def content(self) -> str:
        """The text, wherever it stands."""
        return self.text or (self.message.content if self.message else None) or ""

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
        if self.finish_reason in ("content_filter", "error", "abort"):
            raise EngineError(f"the server ended a text with {self.finish_reason!r}")
        if self.finish_reason == "length":
            return "length"
        if not stopped:
            return "end"
        if self.names_stop:
            return "step"
        return "end" if tells else "unknown"


class PromptDetails(BaseModel):
    cached_tokens: int | None = None


class Usage(BaseModel):
    """Tokens as the server counts them, of all choices together."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    prompt_tokens_details: PromptDetails | None = None


class Reply(BaseModel):
    """A completion or a chat completion."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


def generated_tokens(reply: Reply, longest: int) -> list[int]:
    """How many tokens each choice took; together exactly what the server counted.

    Where the server gives no usage, its log-probabilities are counted, and without those the text is
    guessed at (:func:`~restmcts.engines.openai.byte_prompts.estimate_tokens`, at most ``longest`` for a
    choice and one for the end).
    """
    listed = [len(choice.logprobs.values()) if choice.logprobs else 0 for choice in reply.choices]
    guessed = [min(estimate_tokens(choice.content) + 1, longest) for choice in reply.choices]
    weights = listed if all(listed) else guessed
    return weights if reply.usage is None else split_total(reply.usage.completion_tokens, weights)


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
