"""Settings of the training phases; importing them does not import torch."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from restmcts.settings import Settings

Scheduler = Literal["cosine", "linear", "constant"]
Precision = Literal["float32", "bfloat16"]
Device = Literal["cpu", "cuda", "auto"]
"""Where to train: ``auto`` takes the GPU where there is one."""


class TrainingSettings(Settings):
    """What every training phase has; AdamW is the optimizer.

    ``updates`` is the number of optimizer updates and, where given, replaces ``epochs``. An update sees
    ``batch_size * gradient_accumulation`` samples. ``scheduler`` says how the learning rate goes down
    after the warm-up, which takes ``warmup_updates``, or else a share ``warmup_ratio`` of all updates.
    ``max_length`` is the longest sample, in
    tokens; longer ones are left out and counted. ``dtype`` is the type that the model computes in and
    is stored in; while training, weights and optimizer state are float32 in either case, because
    updates of a usual size vanish in the rounding of bfloat16.
    """

    learning_rate: float = Field(gt=0)
    epochs: float = Field(gt=0)
    updates: int | None = Field(default=None, ge=1)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    warmup_ratio: float = Field(default=0.03, ge=0, le=1)
    warmup_updates: int | None = Field(default=None, ge=0)
    scheduler: Scheduler = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    beta2: float = Field(default=0.999, gt=0, lt=1)
    max_gradient_norm: float = Field(default=1.0, ge=0)
    max_length: int = Field(default=1024, ge=2)
    dtype: Precision = "float32"
    gradient_checkpointing: bool = False
    seed: int = Field(default=0, ge=0)

    def warmup(self, updates: int) -> int:
        """How many of so many updates the warm-up takes."""
        return math.ceil(self.warmup_ratio * updates) if self.warmup_updates is None else self.warmup_updates


class PolicyTraining(TrainingSettings):
    """Supervised fine-tuning of the policy; learning rate, epochs and warm-up are the authors'."""

    learning_rate: float = Field(default=2e-5, gt=0)
    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=8, ge=1)


class ValueTraining(TrainingSettings):
    """Regression of quality values; the defaults are the authors' for Mistral-7B.

    ``extra_layers`` are put on top of the layers of a policy when a value model starts from it; they
    change nothing before the first update, and are only possible for Llama-like models. A value model
    that starts from another value model keeps the layers that it has.

    ``fresh_layers`` starts a value model from random weights instead, with so many layers of the policy's
    width and its vocabulary: for models so small that what the policy has learned is in the way.
    ``language_weight`` is the weight of a second loss, the next tokens of good steps, read through the
    token embeddings; it keeps what the model knows of the steps while it learns to judge them.
    """

    learning_rate: float = Field(default=3e-6, gt=0)
    epochs: float = Field(default=3.0, gt=0)
    batch_size: int = Field(default=3, ge=1)
    extra_layers: int = Field(default=0, ge=0)
    fresh_layers: int = Field(default=0, ge=0)
    language_weight: float = Field(default=0.0, ge=0)
