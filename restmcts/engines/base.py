"""What a search needs of a policy and of a value model, whatever runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, Protocol, runtime_checkable

from restmcts.errors import EngineError
from restmcts.grading.verdicts import Verdict
from restmcts.problems.problem import Problem
from store.events import Step

Tokens = tuple[int, ...]
"""Token ids of a prompt: the problem and all steps so far."""


MOST_TOKENS: Final = 2**31 - 1
"""More tokens than this an engine cannot have counted for a request."""


GRADE_CALLS: Final = 2
"""A language model is asked for a value no more often than this: once, and again if it gave no number."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the policy samples.

    ``temperature`` 0 is greedy decoding. ``top_p`` in (0, 1]. ``step_tokens`` and ``trace_tokens`` are
    the longest step and the longest whole solution, in tokens.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    step_tokens: int = 64
    trace_tokens: int = 512


@dataclass(frozen=True, slots=True)
class SamplingRequest:
    """A request for continuations of one prompt.

    Attributes:
        prompt: the problem and the steps so far.
        seeds: one seed for each sample.
        max_tokens: the longest sample, in tokens.
        until: where a sample stops: at the end of a step, or at the end of the text.
        temperature: 0 is greedy decoding.
        top_p: in (0, 1].
        total_tokens: a limit for all samples of the request. All samples get their tokens one at a time, in
            step. When less than a token for each unfinished sample is left, these samples are returned as
            they are, marked as ``cut``.
    """

    prompt: Tokens
    seeds: Sequence[int]
    max_tokens: int
    until: Literal["step", "end"]
    temperature: float
    top_p: float = 1.0
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One continuation that the policy wrote.

    ``steps`` holds one step for a request that stops at a step end, all steps for a whole trace; the
    last one has ``ended`` set when the policy wrote its end-of-text token. ``generated`` counts every
    token sampled, the end-of-text token included. ``truncated``: the token limit came first. ``prompt`` is
    the length of the prompt in tokens of the model, where that is not the length of what it was given.
    ``cut``: ``total_tokens`` of the request came first.
    """

    steps: tuple[Step, ...]
    generated: int
    truncated: bool
    prompt: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Grade:
    """The value of a partial solution, 0 to 1, from a language model that was asked for it.

    ``read`` and ``generated`` are tokens of that model, ``calls`` requests to it.
    """

    value: float
    read: int
    generated: int
    calls: int = 1


def check_samples(samples: Sequence[Sample], name: str) -> None:
    """Refuse what cannot be counted or stored, whatever engine it comes from.

    Args:
        samples: what the policy gave.
        name: the name of the policy.

    Raises:
        EngineError: a log-probability is not a finite number, or a count is not in 0 to ``MOST_TOKENS``.
    """
    for sample in samples:
        logprobs = (step.logprob for step in sample.steps if step.logprob is not None)
        if not all(map(isfinite, logprobs)):
            raise EngineError(f"{name}: the policy gave a log-probability that is not a number")
        check_counts((sample.generated, sample.prompt or 0), name)


def check_grades(grades: Sequence[Grade], name: str) -> None:
    """Refuse grades that cannot be counted or stored; see :func:`check_samples`.

    Raises:
        EngineError: a value is not a number, or a count is not in 0 to ``MOST_TOKENS``.
    """
    check_values([grade.value for grade in grades], name)
    for grade in grades:
        check_counts((grade.read, grade.generated, grade.calls), name)


def check_values(values: Sequence[float], name: str) -> None:
    """Refuse values that are not finite numbers.

    Raises:
        EngineError: one is not.
    """
    if not all(map(isfinite, values)):
        raise EngineError(f"{name}: the value model gave something that is not a number")


def check_counts(counts: Iterable[int], name: str) -> None:
    """Refuse counts of tokens or calls that cannot be.

    Raises:
        EngineError: one is not in 0 to ``MOST_TOKENS``.
    """
    for count in counts:
        if not 0 <= count <= MOST_TOKENS:
            raise EngineError(f"{name}: {count} tokens were counted for a request")


def check_tokens(prompt: Tokens, vocabulary: int, name: str) -> None:
    """Refuse what would end vLLM, not this request alone.

    Raises:
        EngineError: a token id that the model does not have.
    """
    if max(prompt) >= vocabulary:
        raise EngineError(
            f"{name}: the prompt has token {max(prompt)}, the model's vocabulary ends at {vocabulary - 1}"
        )


class Policy(Protocol):
    """A language model that continues partial solutions."""

    name: str
    context: int
    """The longest prompt and continuation together, in tokens."""

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, ready for the first step to follow."""
        ...

    def question(self, text: str, reply: str) -> Tokens:
        """The token ids of a question to the model, with the beginning of its reply.

        The instruction to solve a problem step by step is left out.
        """
        ...

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step in a prompt: the sampled ones, where this model sampled it."""
        ...

    async def propose(self, request: SamplingRequest) -> list[Sample]:
        """Sample one continuation for each seed of the request.

        Raises:
            EngineError: the model failed, or ``total_tokens`` is less than one token for each sample.
        """
        ...

    def stats(self) -> dict[str, float]:
        """What the engine has done so far: tokens generated, prompt tokens read and cached, calls."""
        ...

    def close(self) -> None:
        """Give back threads and memory; requests still waiting fail."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """An engine that has seen something that whoever runs it should know.

    It has the methods of a :class:`Policy` or a :class:`ValueModel` too.
    """

    def remarks(self) -> list[str]:
        """What was seen since the last call, one line each."""
        ...


class ValueModel(Protocol):
    """A process reward model: how good is a partial solution, from 0 to 1?"""

    name: str
    context: int

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended.

        Raises:
            InputError: this model cannot read the problem.
        """
        ...

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step in a prompt: the sampled ones, where policy and value model share a
        vocabulary.

        Raises:
            EngineError: this model cannot read the step.
        """
        ...

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, clamped to [0, 1].

        Raises:
            EngineError: the model failed, or gave something that is not a number.
        """
        ...

    def stats(self) -> dict[str, float]:
        """What the engine has done so far: tokens generated, prompt tokens read and cached, calls."""
        ...

    def close(self) -> None:
        """Give back threads and memory; requests still waiting fail."""
        ...


@runtime_checkable
class PromptedValue(Protocol):
    """A value model that is a language model: what it generates counts against a token budget.

    It has ``prompt``, ``tokens``, ``stats`` and ``close`` of a :class:`ValueModel` too.
    """

    most_tokens: int
    """The most tokens that it generates for one value."""

    async def grade(self, prompts: Sequence[Tokens]) -> list[Grade]:
        """The value of each partial solution and what it took: at most ``GRADE_CALLS`` requests for each.

        Raises:
            EngineError: the model failed, or does not give a number.
        """
        ...


class Critic(Protocol):
    """A self-critic (paper, Section 3.1): is a partial solution complete, and if not, what comes next?"""

    async def judge(self, problem: Problem, steps: Sequence[Step], most: int | None) -> Verdict:
        """The verdict on a partial solution.

        Args:
            problem: the problem.
            steps: the partial solution, first step to last.
            most: the most tokens that may be generated; None: no limit.

        Raises:
            EngineError: the model failed.
        """
        ...

    def declared(self, problem: Problem, steps: Sequence[Step]) -> Verdict:
        """The verdict on a solution that the search takes for finished: finished, with its answer."""
        ...
