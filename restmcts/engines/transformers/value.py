"""A value model on Hugging Face transformers: a decoder with a head of one regression label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from restmcts.engines.base import Tokens
from restmcts.engines.cpu import prepare_cpu
from restmcts.engines.loading import Device, DType, load_value_model
from restmcts.engines.transformers.attention import Piece
from restmcts.engines.transformers.forward import CachedModel
from restmcts.engines.transformers.policy import Source
from restmcts.engines.transformers.scoring import Read, ScoringModel
from restmcts.errors import InputError
from restmcts.prompts import PromptFormat, StepReader, load_format, problem_tokens
from store.events import Step


class TransformersValueModel(ScoringModel):
    """A sequence classifier with one regression label as a value model.

    The value is read after the last token of the partial solution. Prompts that extend each other share
    their keys and values. ``reproducible`` means what it means for the policy.
    """

    def __init__(
        self,
        source: Source,
        *,
        device: Device = "cpu",
        dtype: DType = "float32",
        name: str | None = None,
        format: PromptFormat | None = None,
        template_arguments: Mapping[str, Any] | None = None,
        cache_tokens: int | None = None,
        reproducible: bool = True,
    ) -> None:
        """Load the model and start its thread; the arguments are those of the policy.

        Raises:
            InputError: the folder does not hold a usable value model.
        """
        if reproducible:
            prepare_cpu()
        if isinstance(source, tuple):
            model, tokenizer = source
        else:
            folder = Path(source)
            model, tokenizer = load_value_model(folder, device=device, dtype=dtype)
            name = name or folder.name
            format = format or load_format(folder)
        name = name or "value"
        self.format = (format or PromptFormat()).with_arguments(template_arguments or {})
        self._steps = StepReader(tokenizer, int(model.config.get_text_config().vocab_size))
        head = find_head(model, name)
        cached = CachedModel(model, name=name, reproducible=reproducible, cache_tokens=cache_tokens)
        super().__init__(cached, tokenizer, read_regression(cached, head), name)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended."""
        return problem_tokens(self.tokenizer, problem, self.format)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step: those that the policy sampled, or those of its text.

        A policy behind a server has no token ids to give, and those of another vocabulary say something else.
        """
        return self._steps(step)


def read_regression(model: CachedModel, head: torch.nn.Linear) -> Read:
    """The output of a linear head with one label."""
    # A product with one column is rounded differently for different numbers of rows; a sum is not.
    weight = head.weight[0].detach().double()
    bias = 0.0 if head.bias is None else float(head.bias[0])

    def read(pieces: Sequence[Piece]) -> list[float]:
        values: list[float] = ((model.hidden(pieces).double() * weight).sum(1) + bias).tolist()
        return values

    return read


def find_head(model: Any, name: str) -> torch.nn.Linear:
    """The linear layer that turns the last state into a value.

    Raises:
        InputError: there is none, or it has more than one output.
    """
    head = getattr(model, "score", None) or getattr(model, "classifier", None)
    if not isinstance(head, torch.nn.Linear):
        raise InputError(f"{name}: no linear head named score or classifier; is it a sequence classifier?")
    if head.out_features != 1:
        raise InputError(f"{name}: a value model has one label (num_labels 1), this one {head.out_features}")
    return head
