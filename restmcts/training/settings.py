"""Settings of the training phases; importing them does not import torch."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Literal

from pydantic import Field, model_validator

from restmcts.errors import InputError
from restmcts.settings import Settings

Scheduler = Literal["cosine", "linear", "constant"]
Precision = Literal["float32", "bfloat16"]
ValueObjective = Literal["regression", "factorized"]
"""What the head of a value model says of a step: see :class:`ValueTraining`."""

Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]
PreferenceMethod = Literal["dpo", "kto"]
Device = Literal["cpu", "cuda", "auto"]
"""Where to train: ``auto`` takes the GPU where there is one."""

Strategy = Literal["ddp", "fsdp2"]
"""How processes that train together share a model: see :class:`ProcessSettings`."""


class ProcessSettings(Settings):
    """The processes on this machine that train a policy or a value model together, each with its own GPU.

    An update has the same samples, and up to rounding the same effect, for any number of processes.
    """

    processes: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="processes that train a model together, one for each GPU; 1: the command trains itself",
    )
    strategy: Strategy = Field(
        default="ddp",
        description=(
            "`ddp`: each process holds the whole model; `fsdp2`: each holds a share of the weights, of the"
            " gradients and of the state of the optimizer, for models that are too large for one GPU"
        ),
    )


ONE_PROCESS = ProcessSettings()


class TrainingSettings(Settings):
    """The settings of every training phase; AdamW is the optimizer."""

    learning_rate: float = Field(gt=0, description="peak learning rate of AdamW")
    epochs: float = Field(gt=0, description="passes over the samples")
    updates: int | None = Field(
        default=None,
        ge=1,
        description=(
            "optimizer updates; if given, replaces `epochs`. An update sees `batch_size *"
            " gradient_accumulation` samples"
        ),
    )
    batch_size: int = Field(ge=1, description="samples in a batch")
    gradient_accumulation: int = Field(default=1, ge=1, description="batches in an update")
    warmup_ratio: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="share of the updates in which the learning rate rises",
    )
    warmup_updates: int | None = Field(
        default=None,
        ge=0,
        description="the same as a number of updates; if given, replaces `warmup_ratio`",
    )
    scheduler: Scheduler = Field(
        default="cosine",
        description="how the learning rate falls after the warm-up",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="weight decay of AdamW")
    beta2: float = Field(default=0.999, gt=0, lt=1, description="decay of the second moment in AdamW")
    max_gradient_norm: float = Field(
        default=1.0,
        ge=0,
        description="longer gradients are cut to this norm; 0: not cut",
    )
    max_length: int = Field(
        default=1024,
        ge=2,
        description="longest sample, in tokens; longer samples are left out and counted",
    )
    dtype: Precision = Field(
        default="float32",
        description=(
            "type that the model computes in and is stored in. Weights and optimizer state are float32"
            " during the training, because bfloat16 rounds updates of a usual size to nothing"
        ),
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="compute activations twice: less memory for more time",
    )
    save_minutes: float | None = Field(
        default=10.0,
        gt=0,
        description=(
            "minutes after which the state of the training is saved, from which an interrupted training goes"
            " on; at the next point of the loss curve, of which there are about a hundred. none: by"
            " `save_updates` alone"
        ),
    )
    save_updates: int | None = Field(
        default=None,
        ge=1,
        description="the same as a number of updates; whichever comes first",
    )
    report_to: list[Tracker] = Field(
        default_factory=list,
        description=(
            "programs that are told about the training, of `tensorboard`, `wandb`, `mlflow` and `trackio`;"
            " each is a package to install. `wandb`, `mlflow` and `trackio` may send what they are told to"
            " where they are set up to"
        ),
    )
    seed: int = Field(
        default=0,
        ge=0,
        description=(
            "seed of the order of samples and of new weights; the loop derives it from the recipe's seed and"
            " the phase"
        ),
    )

    def check_trackers(self) -> None:
        """Refuse programs of ``report_to`` that are not installed.

        Raises:
            InputError: names the package.
        """
        for name in self.report_to:
            if find_spec(name) is None:
                raise InputError(f"report_to: {name} is not installed: python -m pip install {name}")

    def warmup(self, updates: int) -> int:
        """How many of so many updates the warm-up takes."""
        return math.ceil(self.warmup_ratio * updates) if self.warmup_updates is None else self.warmup_updates


class LoraSettings(Settings):
    """A low-rank adapter (LoRA, arXiv 2106.09685): it alone is trained, and the checkpoint holds it alone."""

    rank: int = Field(default=16, ge=1, le=4096, description="rank of the difference of each layer")
    alpha: float = Field(
        default=32.0, gt=0, le=1e6, description="the difference counts `alpha` / `rank` times"
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of the inputs of the adapter that are left out"
    )
    targets: list[str] = Field(
        default_factory=lambda: ["all-linear"],
        min_length=1,
        description=(
            "ends of the names of the layers that get an adapter, for example `q_proj`; `all-linear`: every"
            " linear layer but the last"
        ),
    )


class AdapterTraining(TrainingSettings):
    """The settings of a training that may train an adapter instead of the model."""

    lora: LoraSettings | None = Field(
        default=None,
        description="train an adapter; none: train all weights",
    )


class PolicyTraining(AdapterTraining):
    """Supervised fine-tuning of the policy; learning rate, epochs and warm-up are the authors'."""

    learning_rate: float = Field(default=2e-5, gt=0)
    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=8, ge=1)


class PreferenceTraining(AdapterTraining):
    """Training of the policy on pairs of continuations; learning rate, epochs and beta are the authors'."""

    learning_rate: float = Field(default=3e-6, gt=0)
    epochs: float = Field(default=2.0, gt=0)
    batch_size: int = Field(default=8, ge=1)
    method: PreferenceMethod = Field(
        default="dpo",
        description=(
            "`dpo` compares the two continuations of a pair (arXiv 2305.18290); `kto` judges each of them"
            " alone (arXiv 2402.01306)"
        ),
    )
    beta: float = Field(
        default=0.1,
        gt=0,
        description="how strongly the policy is held to the one that it starts from",
    )
    supervised_weight: float = Field(
        default=0.0,
        ge=0,
        description=(
            "weight of a second loss, the next tokens of the chosen continuation; with `dpo`. It keeps the"
            " chosen continuation from becoming less likely together with the rejected one"
        ),
    )

    @model_validator(mode="after")
    def _fits_the_method(self) -> PreferenceTraining:
        if self.method == "kto" and self.supervised_weight:
            raise ValueError("supervised_weight is for method dpo: set it to 0 with kto")
        return self


class ValueTraining(TrainingSettings):
    """Training of a value model; the defaults are the authors' for Mistral-7B.

    A value model that starts from another value model keeps the layers that it has.
    """

    learning_rate: float = Field(default=3e-6, gt=0)
    epochs: float = Field(default=3.0, gt=0)
    batch_size: int = Field(default=3, ge=1)
    extra_layers: int = Field(
        default=0,
        ge=0,
        description=(
            "layers put on top of the layers of a policy when a value model starts from it. They change"
            " nothing before the first update; Llama-like models only"
        ),
    )
    fresh_layers: int = Field(
        default=0,
        ge=0,
        description=(
            "start a value model from random weights, with this number of layers of the policy's width: for"
            " models so small that the knowledge of the policy is in the way; 0: from the policy's weights"
        ),
    )
    objective: ValueObjective = Field(
        default="regression",
        description=(
            "`regression`: the model says the label of the partial solution. `factorized`: the model says for"
            " each step how likely it is right, given that all steps before are right; the label of the"
            " partial solution follows from these. It needs `models.value_aggregation` other than `last`, and"
            " labels of the rule `rest-mcts` or labels that are 0 or 1"
        ),
    )
    ranking_weight: float = Field(
        default=0.0,
        ge=0,
        description=(
            "weight of a second loss, which puts the better of two next steps of one partial solution above"
            " the other (Bradley-Terry); chains that part are then read in one batch"
        ),
    )
    language_weight: float = Field(
        default=0.0,
        ge=0,
        description=(
            "weight of a second loss, the next tokens of good steps, read through the token embeddings. It"
            " keeps what the model knows of the steps"
        ),
    )
