"""A value model on vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from restmcts.engines.base import Tokens
from restmcts.engines.regression import RegressionPrompts
from restmcts.engines.settings import ModelSettings
from restmcts.engines.soundness import check_finite_files
from restmcts.engines.vllm.engine import open_engine
from restmcts.prompts import PromptFormat


class VllmValueModel(RegressionPrompts):
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
        super().__init__(folder, name=name, format=format, template_arguments=models.chat_template_arguments)
        check_finite_files(folder)
        self._engine = open_engine(folder, models, runner="pooling", name=self.name, outside=outside)
        self.context = min(self.context, self._engine.context)

    async def score(self, prompts: Sequence[Tokens]) -> list[float]:
        """The quality value of each partial solution, clamped to [0, 1], to 6 decimals.

        Raises:
            EngineError: a prompt does not fit the model, the model failed, or gave something that is
                not a number.
        """
        self.check(prompts)
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
        return self.clamped(float(output.outputs.data))
