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
from store.records import PolicySample, ValueSample

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


def _kept(
    samples: Sequence[Sample], build: Callable[[int, Sample], Chain], max_length: int
) -> tuple[list[Chain], dict[str, int]]:
    chains = [build(number, sample) for number, sample in enumerate(samples) if sample.steps]
    kept = [chain for chain in chains if len(chain.tokens) <= max_length]
    skipped = {"without steps": len(samples) - len(chains), "too long": len(chains) - len(kept)}
    return kept, skipped
