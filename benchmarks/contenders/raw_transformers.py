"""transformers by itself: its own ``generate``, for a left-padded batch and for a node at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.contenders.workload import Workload
from restmcts.engines.base import Tokens

NODES = 8
"""Nodes that are asked for one at a time, at most: one of them costs the same however many there are."""


class RawModel:
    """A causal language model as transformers loads it."""

    def __init__(self, folder: Path, dtype: str) -> None:
        from transformers import AutoModelForCausalLM

        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        if torch.cuda.is_available():
            self.model.cuda()

    def generate(self, prompts: Sequence[Tokens], workload: Workload) -> int:
        """Sample a step ``branch`` times for each prompt in one batch; returns the tokens generated."""
        longest = max(map(len, prompts))
        rows = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        device = self.model.device
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
                do_sample=True,
                temperature=workload.temperature,
                top_k=0,
                num_return_sequences=workload.branch,
                max_new_tokens=workload.step_tokens,
                eos_token_id=sorted(workload.stops),
                pad_token_id=0,
            )
        return sum(length(row, workload) for row in output[:, longest:].tolist())


def length(row: list[int], workload: Workload) -> int:
    """Tokens up to the end of the step; what follows is padding."""
    for place, token in enumerate(row):
        if token in workload.stops:
            return place + 1
    return len(row)


def batched_steps(model: RawModel, workload: Workload) -> tuple[int, dict[str, Any]]:
    """First steps, a batch of as many problems as there are at once, until one budget is spent."""
    tokens = 0
    while tokens < workload.budget:
        tokens += model.generate(workload.prompts[: workload.concurrency], workload)
    return tokens, {}


def single_steps(model: RawModel, workload: Workload) -> tuple[int, dict[str, Any]]:
    """First steps of one problem at a time, of ``NODES`` problems at most, until one budget is spent."""
    tokens = 0
    while tokens < workload.budget:
        for prompt in workload.prompts[:NODES]:
            tokens += model.generate([prompt], workload)
    return tokens, {}
