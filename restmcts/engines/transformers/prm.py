"""Published process reward models (PRMs) on Hugging Face transformers as value models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from restmcts.engines.base import Tokens
from restmcts.engines.cpu import prepare_cpu
from restmcts.engines.loading import Device, DType, load_reward_language_model, load_step_classifier
from restmcts.engines.prm_settings import PrmSettings
from restmcts.engines.transformers.attention import Piece
from restmcts.engines.transformers.forward import CachedModel
from restmcts.engines.transformers.policy import Source
from restmcts.engines.transformers.prm_prompt import StepPrompts, answer_tokens
from restmcts.engines.transformers.scoring import Read, ScoringModel
from restmcts.errors import InputError
from store.events import Step


class TransformersPrm(ScoringModel):
    """A published PRM as a value model, read as ``settings`` say.

    It has a tokenizer of its own, so steps are encoded anew from their text, each once. The value is read at
    the tag after the last step. Prompts that extend each other share their keys and values.
    ``reproducible`` means what it means for the policy.
    """

    def __init__(
        self,
        source: Source,
        settings: PrmSettings,
        *,
        device: Device = "cpu",
        dtype: DType = "float32",
        name: str | None = None,
        cache_tokens: int | None = None,
        reproducible: bool = True,
    ) -> None:
        """Load the model and start its thread; the arguments are those of the policy.

        Raises:
            InputError: the folder does not hold a PRM of this style, or the settings do not fit it.
        """
        if reproducible:
            prepare_cpu()
        tokens = settings.style == "good-bad-token"
        if isinstance(source, tuple):
            model, tokenizer = source
        else:
            folder = Path(source)
            load = load_reward_language_model if tokens else load_step_classifier
            model, tokenizer = load(folder, device=device, dtype=dtype)
            name = name or folder.name
        name = name or "value"
        vocabulary = model.config.get_text_config().vocab_size
        self.prompts = StepPrompts(tokenizer, settings, vocabulary=vocabulary, name=name)
        answers = answer_tokens(tokenizer, settings, vocabulary, name) if tokens else (0, 0)
        head = None if tokens else step_head(model, name)
        cached = CachedModel(model, name=name, reproducible=reproducible, cache_tokens=cache_tokens)
        if head is None:
            read = read_tokens(cached, *answers)
        else:
            read = read_labels(cached, head, settings.good_label)
        super().__init__(cached, tokenizer, read, name)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended.

        Raises:
            InputError: the step tag is an ordinary token of the problem.
        """
        return self.prompts.problem(problem)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step's text and of the tag after it, in the PRM's own vocabulary.

        Raises:
            EngineError: the step tag is an ordinary token of the step.
        """
        return self.prompts.step(step.text)

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The probability that the last step of each partial solution is good, to 6 decimals.

        Raises:
            EngineError: a prompt has no step at its end or does not fit the model, the model failed, or
                gave something that is not a number.
        """
        return await super().score([self.prompts.up_to_tag(tuple(prompt)) for prompt in prompts])


def read_tokens(model: CachedModel, good: int, bad: int) -> Read:
    """The probability of the token ``good`` against ``bad`` as the next one (Wang et al., arXiv
    2312.08935)."""

    def read(pieces: Sequence[Piece]) -> list[float]:
        logits = model.logits(pieces)
        margins = logits[:, good].double() - logits[:, bad].double()
        return [probability(margin) for margin in margins.tolist()]

    return read


def read_labels(model: CachedModel, head: Sequence[torch.nn.Module], label: int) -> Read:
    """The probability of ``label`` against the other one; the last layer of ``head`` has two outputs."""
    inner, last = torch.nn.Sequential(*head[:-1]), head[-1]
    assert isinstance(last, torch.nn.Linear)
    # A product with few columns is rounded differently for different numbers of rows; a sum is not.
    rows = last.weight.detach().double()
    weight = rows[label] - rows[1 - label]
    biases = torch.zeros(2) if last.bias is None else last.bias.detach().double()
    bias = float(biases[label] - biases[1 - label])

    def read(pieces: Sequence[Piece]) -> list[float]:
        margins = (model.hidden(pieces, inner).double() * weight).sum(1) + bias
        return [probability(margin) for margin in margins.tolist()]

    return read


def probability(margin: float) -> float:
    """The softmax of two logits for the first of them, from their difference; not a number where that is
    not finite."""
    # Number by number: torch rounds differently in the rest of a tensor that does not fill a vector.
    return (1 + math.tanh(margin / 2)) / 2 if math.isfinite(margin) else math.nan


def step_head(model: Any, name: str) -> list[torch.nn.Module]:
    """The layers that turn the state at a tag into two logits.

    Raises:
        InputError: there are none, or there are not two outputs.
    """
    head = getattr(model, "score", None) or getattr(model, "classifier", None)
    layers: list[Any] = list(head) if isinstance(head, torch.nn.Sequential) else [head]
    last = layers[-1]
    if not isinstance(last, torch.nn.Linear):
        raise InputError(f"{name}: no linear head named score or classifier; is it a token classifier?")
    if last.out_features != 2:
        raise InputError(f"{name}: a step classifier has two labels, this one {last.out_features}")
    return layers
