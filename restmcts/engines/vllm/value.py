"""A value model on vLLM."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from restmcts.engines.base import Tokens
from restmcts.engines.loading import context_length, load_value_model
from restmcts.engines.settings import ModelSettings
from restmcts.engines.soundness import check_finite_files
from restmcts.engines.vllm.engine import check_tokens, open_engine
from restmcts.errors import EngineError
from restmcts.prompts import PromptFormat, StepReader, load_format, problem_tokens
from store.events import Step


class VllmValueModel:
    """A sequence classifier with one regression label that vLLM runs, as a value model.

    The value is read after the last token of the partial solution. Prompts that extend each other share
    keys and values: on a CPU all of them, on GPUs by full blocks.
    """

    def __init__(
        self,
        folder: Path,
        models: ModelSettings,
        *,
        name: str | None = None,
        format: PromptFormat | None = None,
        outside: bool | None = None,
    ) -> None:
        """Check the folder, then start vLLM; the arguments are those of the policy.

        Raises:
            InputError: the folder does not hold a usable value model, or vLLM cannot run it.
        """
        # Without weights: they are vLLM's to load.
        model, self.tokenizer = load_value_model(folder, device="meta")
        check_finite_files(folder)
        self.name = name or folder.name
        self.format = (format or load_format(folder)).with_arguments(models.chat_template_arguments)
        self._vocabulary = int(model.config.get_text_config().vocab_size)
        self._steps = StepReader(self.tokenizer, self._vocabulary)
        self._engine = open_engine(folder, models, runner="pooling", name=self.name, outside=outside)
        self.context = min(context_length(model, self.tokenizer), self._engine.context)

    def prompt(self, problem: str) -> Tokens:
        """The token ids of a problem, to which the token ids of the steps are appended."""
        return problem_tokens(self.tokenizer, problem, self.format)

    def tokens(self, step: Step) -> Tokens:
        """The token ids of a step: those that the policy sampled, or those of its text.

        A policy behind a server has no token ids to give, and those of another vocabulary say something else.
        """
        return self._steps(step)

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, clamped to [0, 1], to 6 decimals.

        Raises:
            EngineError: a prompt does not fit the model, the model failed, or gave something that is
                not a number.
        """
        for prompt in prompts:
            if not 0 < len(prompt) <= self.context:
                raise EngineError(
                    f"{self.name}: a prompt has {len(prompt)} tokens; 1 to {self.context} are possible"
                )
            check_tokens(prompt, self._vocabulary, self.name)
        return await asyncio.gather(*map(self._score, prompts))

    def stats(self) -> dict[str, float]:
        """What the engine has done so far; the fields of :class:`restmcts.engines.batching.EngineStats`."""
        return asdict(self._engine.stats())

    def close(self) -> None:
        """Free memory, threads and processes."""
        self._engine.close()

    async def _score(self, prompt: Tokens) -> float:
        from vllm.pooling_params import PoolingParams

        # The label as it is; without being told, vLLM may put it through a sigmoid.
        output = await self._engine.run(prompt, PoolingParams(task="classify", use_activation=False))
        value = float(output.outputs.data)
        if not math.isfinite(value):
            raise EngineError(f"{self.name}: the value model gave something that is not a number")
        return round(min(1.0, max(0.0, value)), 6)
