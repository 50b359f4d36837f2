"""Samples of the store as chains of token ids, with the prompts that search uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from restmcts.engines.loading import context_of, load_config
from restmcts.prompts import StepReader, load_format, problem_tokens
from restmcts.training.checkpoint import load_tokenizer
from store.events import Step
from store.records import PolicySample, PreferenceSample, ValueSample

Sample = TypeVar("Sample", PolicySample, ValueSample)


@dataclass(frozen=True, slots=True)
class Chain:
    """One sample in tokens.

    ``number`` is its place among the samples, ``prompt`` the length of the prompt; ``ends[i]`` is the
    position of the last token of step i, and ``labels[i]`` the quality value there (no labels in a chain
    for a policy).
    """

    number: int
    tokens: tuple[int, ...]
    prompt: int
    ends: tuple[int, ...]
    labels: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A preference in tokens: both continuations follow ``prompt``, the problem and the steps so far."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def longest(self) -> int:
        """The tokens of the longer of the two texts."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))

    @property
    def size(self) -> int:
        """The tokens of both texts."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


class Encoder:
    """Turns problems and steps into the token ids that search would use."""

    def __init__(self, source: Path) -> None:
        self.tokenizer: Any = load_tokenizer(source)
        config = load_config(source)
        self.context = context_of(config, self.tokenizer)
        self.steps = StepReader(self.tokenizer, int(config.get_text_config().vocab_size))
        self.end = int(self.tokenizer.eos_token_id)
        self.format = load_format(source)
        self.prompts: dict[str, tuple[int, ...]] = {}

    def prompt(self, problem: str) -> tuple[int, ...]:
        if problem not in self.prompts:
            self.prompts[problem] = problem_tokens(self.tokenizer, problem, self.format)
        return self.prompts[problem]

    def step(self, step: Step) -> tuple[int, ...]:
        """The tokens that were sampled, or those of the text; without an end-of-text token at the end."""
        tokens = self.steps(step)
        return tokens[:-1] if tokens and tokens[-1] == self.end else tokens

    def continuation(self, steps: Sequence[Step]) -> tuple[int, ...]:
        """The tokens of steps, and the end-of-text token where the policy ended its text after them."""
        tokens = tuple(token for step in steps for token in self.step(step))
        last = self.steps(steps[-1])
        ended = steps[-1].ended or (bool(last) and last[-1] == self.end)
        return (*tokens, self.end) if ended else tokens

    def chain(self, number: int, problem: str, steps: Sequence[Step]) -> Chain:
        prompt = self.prompt(problem)
        tokens, ends = [*prompt], []
        for step in steps:
            tokens += self.step(step)
            ends.append(len(tokens) - 1)
        return Chain(number, tuple(tokens), len(prompt), tuple(ends))


def policy_chains(
    source: Path, samples: Sequence[PolicySample], max_length: int
) -> tuple[list[Chain], dict[str, int]]:
    """Traces with their end-of-text token, and how many were left out, by reason.

    Longer than ``max_length``, or than the model reads, is too long.
    """
    encoder = Encoder(source)

    def build(number: int, sample: PolicySample) -> Chain:
        chain = encoder.chain(number, sample.prompt, sample.steps)
        return Chain(number, (*chain.tokens, encoder.end), chain.prompt, chain.ends)

    return _kept(samples, build, min(max_length, encoder.context))


def value_chains(
    source: Path, samples: Sequence[ValueSample], max_length: int
) -> tuple[list[Chain], dict[str, int]]:
    """Chains with their labels, and how many were left out, by reason."""
    encoder = Encoder(source)

    def build(number: int, sample: ValueSample) -> Chain:
        chain = encoder.chain(number, sample.question, sample.steps)
        return Chain(number, chain.tokens, chain.prompt, chain.ends, sample.labels)

    return _kept(samples, build, min(max_length, encoder.context))


def preference_pairs(
    source: Path, samples: Sequence[PreferenceSample], max_length: int
) -> tuple[list[Pair], dict[str, int]]:
    """Pairs of continuations, and how many were left out, by reason.

    A pair is too long where one of its texts is; a pair of equal continuations prefers nothing.
    """
    encoder = Encoder(source)
    whole = [sample for sample in samples if sample.chosen and sample.rejected]
    pairs = [
        Pair(
            (
                *encoder.prompt(sample.prompt),
                *(token for step in sample.prefix for token in encoder.step(step)),
            ),
            encoder.continuation(sample.chosen),
            encoder.continuation(sample.rejected),
        )
        for sample in whole
    ]
    different = [pair for pair in pairs if pair.chosen != pair.rejected]
    kept = [pair for pair in different if pair.longest <= min(max_length, encoder.context)]
    return kept, {
        "without steps": len(samples) - len(whole),
        "equal": len(pairs) - len(different),
        "too long": len(different) - len(kept),
    }


def _kept(
    samples: Sequence[Sample], build: Callable[[int, Sample], Chain], max_length: int
) -> tuple[list[Chain], dict[str, int]]:
    chains = [build(number, sample) for number, sample in enumerate(samples) if sample.steps]
    kept = [chain for chain in chains if len(chain.tokens) <= max_length]
    skipped = {"without steps": len(samples) - len(chains), "too long": len(chains) - len(kept)}
    return kept, skipped
