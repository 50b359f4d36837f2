"""One training of a model, on the Trainer of transformers.

What is added to the Trainer: the order of the samples depends on the seed alone; the state of the random
number generators is as before when a training is over; nothing is printed; progress goes to a callback;
a loss that is not a number ends the training with an error.

A training that is interrupted goes on from the state that was saved last (:mod:`restmcts.training.resuming`),
and with the same seed, data and number of threads ends with the same weights on a CPU.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy
import torch
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from restmcts.engines.loading import find_device
from restmcts.engines.messages import quiet
from restmcts.errors import PhaseError
from restmcts.training.batches import (
    Arrange,
    Batches,
    Collate,
    Example,
    by_update,
    collate,
    deal,
    plan,
    single,
)
from restmcts.training.group import ALONE, Group
from restmcts.training.report import OnProgress, TrainingProgress, TrainingReport
from restmcts.training.resuming import Resumable, SavedState, SaveWhenDue
from restmcts.training.settings import Device, TrainingSettings
from restmcts.training.sharing import Loss, Objective, divide, mean_objective
from restmcts.training.trackers import trackers
from store.files.folders import target_of

_POINTS = 100
"""About so many points make up a loss curve."""

_REWARDS = {"rewards/margins": "reward_margin", "rewards/accuracies": "reward_accuracy"}
"""What TRL calls figures of preferences, and what they are called here; those of the last point are told."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every random number generator, and put them back as they were."""
    python, numbers = random.getstate(), numpy.random.get_state()
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            numpy.random.seed(seed % 2**32)
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(numbers)


class _Trainer(Resumable, Trainer):
    """A Trainer with our loss, computed in the type of the settings."""

    def __init__(self, objective: Callable[..., torch.Tensor], dtype: torch.dtype, **options: Any) -> None:
        super().__init__(**options)
        self.objective: Callable[..., torch.Tensor] = objective
        self.compute_dtype: torch.dtype = dtype
        self.loss_is_scaled_for_ga = True

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        mixed = self.compute_dtype != torch.float32
        with torch.autocast(self.args.device.type, dtype=self.compute_dtype, enabled=mixed):
            return self.objective(model, inputs)


class _Watch(TrainerCallback):
    """Reports progress, and ends a training whose loss is not a number."""

    def __init__(self, total: int, tokens: list[int], progress: OnProgress | None) -> None:
        self.total = total
        self.tokens = tokens
        self.progress = progress
        self.started = time.perf_counter()
        self.before = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell again what was told before the training was interrupted."""
        for logs in state.log_history:
            if "loss" in logs:
                self._tell(logs["step"], logs, 0.0)
        self.before = self.tokens[state.global_step - 1] if state.global_step else 0
        self.started = time.perf_counter()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        step, loss = int(state.global_step), logs["loss"]
        if not math.isfinite(loss):
            raise PhaseError(
                f"training: the loss is {loss} at update {step} of {self.total}; "
                "lower learning_rate or raise warmup_ratio"
            )
        self._tell(step, logs, (self.tokens[step - 1] - self.before) / (time.perf_counter() - self.started))

    def _tell(self, step: int, logs: Mapping[str, float], speed: float) -> None:
        if self.progress is not None:
            self.progress(TrainingProgress(step, self.total, logs["loss"], logs["learning_rate"], speed))


def fit(
    model: PreTrainedModel,
    examples: Sequence[Example],
    objective: Objective,
    settings: TrainingSettings,
    *,
    label_dtype: torch.dtype,
    skipped: Mapping[str, int],
    folder: Path,
    progress: OnProgress | None,
    device: Device,
    callbacks: Sequence[TrainerCallback] = (),
    collate: Collate = collate,
    arrange: Arrange | None = None,
    state: SavedState | None = None,
    group: Group = ALONE,
) -> TrainingReport:
    """Train ``model`` in place. ``skipped`` counts the samples that were left out before, by reason.

    ``folder`` is one that the Trainer may regard as its own; it writes nothing there. ``callbacks`` are
    called with the others of the Trainer, and may stop the training. ``collate`` makes the batches, and
    ``arrange`` puts the order of each epoch right. ``state`` is where the training is saved to and goes on
    from. ``group`` is what this process is among those that train ``model`` together.

    Raises:
        PhaseError: there are no examples, or the loss is not a number.
        InputError: the device is not there, or the samples cannot be dealt out to the processes.
    """
    course = Course.of(settings, [len(example.tokens) for example in examples], skipped, arrange)
    batches, together = deal(course.batches, course.accumulation, group.size, uncut=arrange is not None)
    data = Batches(examples, batches, together, label_dtype, collate)

    def make(watching: list[TrainerCallback]) -> Resumable:
        options = arguments(settings, course.total, folder, device, group)
        options["gradient_accumulation_steps"] = together // group.size
        options["ddp_find_unused_parameters"] = _chooses(model)
        args = one_device(TrainingArguments(**options))
        return _Trainer(
            objective if group.alone else mean_objective(group.size),
            getattr(torch, settings.dtype),
            model=model if group.alone else _shared(model, objective, args.device, group),
            args=args,
            train_dataset=data,
            data_collator=single,
            callbacks=[*watching, *callbacks],
        )

    return run(make, model, course, settings, progress, state, group)


def _chooses(model: PreTrainedModel) -> bool:
    """Whether a model has experts, of which a batch may use some: others then get no gradient."""
    return any("expert" in name for name, _ in model.named_parameters())


def _shared(model: PreTrainedModel, objective: Objective, device: torch.device, group: Group) -> Loss:
    """The model as processes train it together; asking for the device has let them find each other."""
    loss = Loss(model, objective)
    if group.sharded:
        divide(loss, device, group.size)
    return loss


@dataclass(frozen=True, slots=True)
class Course:
    """What a training reads: the samples of each batch, and the tokens of each update.

    Attributes:
        batches: numbers of samples, batch after batch.
        accumulation: the batches in an update.
        tokens: the tokens read in each update, without padding.
        skipped: the samples that were left out before, by reason.
    """

    batches: list[list[int]]
    accumulation: int
    tokens: list[int]
    skipped: Mapping[str, int]

    @property
    def total(self) -> int:
        """The optimizer updates."""
        return len(self.tokens)

    @classmethod
    def of(
        cls,
        settings: TrainingSettings,
        sizes: Sequence[int],
        skipped: Mapping[str, int],
        arrange: Arrange | None = None,
    ) -> Course:
        """Plan a training on samples of so many tokens; ``arrange`` puts the order of each epoch right.

        Raises:
            PhaseError: there are no samples.
        """
        if not sizes:
            reasons = "".join(f", {count} {reason}" for reason, count in skipped.items() if count)
            raise PhaseError(f"training: there are no samples to train on{reasons}")
        batches = plan(len(sizes), settings, arrange)
        step = settings.gradient_accumulation
        return cls(batches, step, by_update(batches, step, sizes), skipped)


Make = Callable[[list[TrainerCallback]], Resumable]
"""Builds a Trainer with the callbacks that watch it."""


def run(
    make: Make,
    model: PreTrainedModel,
    course: Course,
    settings: TrainingSettings,
    progress: OnProgress | None,
    state: SavedState | None,
    group: Group = ALONE,
) -> TrainingReport:
    """Run a Trainer, seeded, without output.

    Raises:
        PhaseError: the loss is not a number.
        StoreError: the state of the training cannot be saved.
    """
    started = time.perf_counter()
    tokens = list(accumulate(course.tokens))
    callbacks: list[TrainerCallback] = [_Watch(course.total, tokens, progress)]
    if state is not None:
        callbacks.append(SaveWhenDue(settings, group))
    cached = model.config.use_cache
    with seeded(settings.seed), quiet():
        trainer: Any = make(callbacks)
        trainer.saved, trainer.group = state, group
        trainer.remove_callback(PrinterCallback)
        told = settings.report_to if group.leads else []
        for callback in trackers(told, target_of(Path(trainer.args.output_dir))):
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=state.usable(group) if state else None)
    model.config.use_cache = cached
    updates = int(trainer.state.global_step)
    seen = course.batches[: updates * course.accumulation]
    history = [logs for logs in trainer.state.log_history if "loss" in logs]
    return TrainingReport(
        curve=tuple((logs["step"], logs["loss"]) for logs in history),
        updates=updates,
        samples=len({member for batch in seen for member in batch}),
        skipped=course.skipped,
        tokens=tokens[updates - 1],
        seconds=time.perf_counter() - started,
        metrics={name: logs[key] for logs in history for key, name in _REWARDS.items() if key in logs},
    )


def arguments(
    settings: TrainingSettings, total: int, folder: Path, device: Device, group: Group = ALONE
) -> dict[str, Any]:
    """The arguments of a Trainer that reads one batch of its data set at a time.

    Each process of a group has a seed of its own, for dropout.

    Raises:
        InputError: the device is not there, or a program to report to is not installed.
    """
    settings.check_trackers()
    place = find_device(device)
    return {
        "output_dir": str(folder),
        "run_name": "/".join(target_of(folder).parts[-4:]),
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "max_steps": total,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": (
            "constant_with_warmup" if settings.scheduler == "constant" else settings.scheduler
        ),
        "warmup_steps": settings.warmup(total),
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.beta2,
        "max_grad_norm": settings.max_gradient_norm,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": (settings.seed + group.rank) % 2**32,
        "train_sampling_strategy": "sequential",
        "use_cpu": place.type == "cpu",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": place.type == "cuda",
        "remove_unused_columns": False,
        "logging_steps": max(1, total // _POINTS),
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
    }


Arguments = TypeVar("Arguments", bound=TrainingArguments)


def one_device(arguments: Arguments) -> Arguments:
    """The same, without data parallelism: the batches are already those of one device."""
    if arguments.device.type == "cuda":
        arguments._n_gpu = 1
    return arguments
