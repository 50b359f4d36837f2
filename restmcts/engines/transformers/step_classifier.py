"""The architecture of Qwen2.5-Math-PRM, which transformers does not have."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen2Model, Qwen2PreTrainedModel


class Qwen2StepClassifier(Qwen2PreTrainedModel):
    """A Qwen2 decoder with a head of two layers and two labels, by the published names of its weights.

    ``model.*`` is the decoder, ``score.0`` and ``score.2`` are the linear layers of the head, with a ReLU in
    between (``Qwen2ForProcessRewardModel``; Zhang et al., arXiv 2501.07301). The engine calls its parts.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        self.score = torch.nn.Sequential(
            torch.nn.Linear(config.hidden_size, config.hidden_size),
            torch.nn.ReLU(),
            torch.nn.Linear(config.hidden_size, 2),
        )
        self.post_init()  # type: ignore[no-untyped-call]
