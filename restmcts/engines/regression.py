"""What value models in a folder share that vLLM runs: their prompts, and what their label means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restmcts.engines.base import Tokens, check_tokens
from restmcts.engines.loading import context_length, load_value_model
from restmcts.errors import EngineError
from restmcts.prompts import PromptFormat, StepReader, load_format, problem_tokens
from store.events import Step


class RegressionPrompts:
    """Problems and steps as the token ids of a sequence classifier with one regression label.

    ``context`` is the longest prompt of the model in tokens.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str | None,
        format: PromptFormat | None = None,
        template_arguments: Mapping[str, Any],
    ) -> None:
        """Check the folder; weights are not read.

        Raises:
            InputError: the folder does not hold a usable value model.
        """
        model, self.tokenizer = load_value_model(folder, device="meta")
        self.name = name or folder.name
        self.format = (format or load_format(folder)).with_arguments(template_arguments)
        self.is_regression = model.config.problem_type == "regression"
        self.context = context_length(model, self.tokenizer)
        self._vocabulary = int(model.config.get_text_config().vocab_size)
        self._steps = StepReader(self.tokenizer, self._vocabulary)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended."""
        return problem_tokens(self.tokenizer, problem, self.format)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step: those that the policy sampled, or those of its text.

        A policy behind a server has no token ids to give, and those of another vocabulary say something else.
        """
        return self._steps(step)

    def check(self, prompts: Sequence[Tokens]) -> None:
        """Refuse prompts that the model cannot read.

        Raises:
            EngineError: one is empty, too long, or has tokens that the model does not have.
        """
        for prompt in prompts:
            if not 0 < len(prompt) <= self.context:
                raise EngineError(
                    f"{self.name}: a prompt has {len(prompt)} tokens; 1 to {self.context} are possible"
                )
            check_tokens(prompt, self._vocabulary, self.name)

    def clamped(self, label: float | None) -> float:
        """The value of a partial solution by its label, 0 to 1, to 6 decimals.

        Raises:
            EngineError: the label is not a number.
        """
        if label is None or not math.isfinite(label):
            raise EngineError(f"{self.name}: the value model gave something that is not a number")
        return round(min(1.0, max(0.0, label)), 6)
