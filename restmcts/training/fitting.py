"""One training of a model, on the Trainer of transformers.

What is added to the Trainer: the order of the samples depends on the seed alone; the state of the random
number generators is as before when a training is over; nothing is printed; progress goes to a callback;
a loss that is not a number ends the training with an error.

A training is not resumed in the middle: the Trainer keeps the state of the optimizer in pickled files,
which this project does not read. A phase that was interrupted starts again, and with the same seed, data
and number of threads ends with the same weights on a CPU.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from restmcts.engines.loading import find_device
from restmcts.engines.messages import quiet
from restmcts.errors import PhaseError
from restmcts.training.batches import (
    Arrange,
    Batch,
    Batches,
    Collate,
    Example,
    collate,
    plan,
    single,
    update_count,
)
from restmcts.training.report import OnProgress, TrainingProgress, TrainingReport
from restmcts.training.settings import Device, TrainingSettings

Objective = Callable[[PreTrainedModel, Batch], torch.Tensor]
"""The loss of a batch: a sum over its labels, divided by the number of labels in the whole update.

So the losses of the batches of one update add up to a mean, however the labels are spread over them.
"""

_POINTS = 100
"""About so many points make up a loss curve."""


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


class _Trainer(Trainer):
    """A Trainer with our loss, computed in the type of the settings."""

    def __init__(self, objective: Objective, dtype: torch.dtype, **options: Any) -> None:
        super().__init__(**options)
        self.objective: Objective = objective
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
    """Collects the loss curve and reports progress."""

    def __init__(self, total: int, tokens: list[int], progress: OnProgress | None) -> None:
        self.total = total
        self.tokens = tokens
        self.progress = progress
        self.started = time.perf_counter()
        self.curve: list[tuple[int, float]] = []

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
        self.curve.append((step, loss))
        if self.progress is not None:
            speed = self.tokens[step - 1] / (time.perf_counter() - self.started)
            self.progress(TrainingProgress(step, self.total, loss, logs["learning_rate"], speed))


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
) -> TrainingReport:
    """Train ``model`` in place. ``skipped`` counts the samples that were left out before, by reason.

    ``folder`` is one that the Trainer may regard as its own; it writes nothing there. ``callbacks`` are
    called with the others of the Trainer, and may stop the training. ``collate`` makes the batches, and
    ``arrange`` puts the order of each epoch right.

    Raises:
        PhaseError: there are no examples, or the loss is not a number.
        InputError: the device is not there.
    """
    if not examples:
        reasons = "".join(f", {count} {reason}" for reason, count in skipped.items() if count)
        raise PhaseError(f"training: there are no samples to train on{reasons}")
    started = time.perf_counter()
    order = plan(len(examples), settings, arrange)
    data = Batches(examples, order, settings.gradient_accumulation, label_dtype, collate)
    total = update_count(len(examples), settings)
    tokens = list(accumulate(data.tokens))
    watch = _Watch(total, tokens, progress)
    cached = model.config.use_cache
    with seeded(settings.seed), quiet():
        trainer = _Trainer(
            objective,
            getattr(torch, settings.dtype),
            model=model,
            args=_arguments(settings, total, folder, find_device(device)),
            train_dataset=data,
            data_collator=single,
            callbacks=[watch, *callbacks],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.config.use_cache = cached
    updates = int(trainer.state.global_step)
    seen = data.batches[: updates * settings.gradient_accumulation]
    return TrainingReport(
        curve=tuple(watch.curve),
        updates=updates,
        samples=len({member for batch in seen for member in batch}),
        skipped=skipped,
        tokens=tokens[updates - 1],
        seconds=time.perf_counter() - started,
    )


def _arguments(
    settings: TrainingSettings, total: int, folder: Path, device: torch.device
) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=settings.gradient_accumulation,
        max_steps=total,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.scheduler == "constant" else settings.scheduler,
        warmup_steps=settings.warmup(total),
        weight_decay=settings.weight_decay,
        adam_beta2=settings.beta2,
        max_grad_norm=settings.max_gradient_norm,
        gradient_checkpointing=settings.gradient_checkpointing,
        seed=settings.seed % 2**32,
        train_sampling_strategy="sequential",
        use_cpu=device.type == "cpu",
        dataloader_num_workers=0,
        dataloader_pin_memory=device.type == "cuda",
        remove_unused_columns=False,
        logging_steps=max(1, total // _POINTS),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    if arguments.device.type == "cuda":
        arguments._n_gpu = 1  # the batches are already those of one device: no data parallelism
    return arguments
