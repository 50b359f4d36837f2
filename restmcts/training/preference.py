"""Training of the policy on preferences: the chosen continuation becomes more likely than the rejected one.

DPO (arXiv 2305.18290) and KTO (arXiv 2402.01306) are those of TRL. The policy is held to the one that it
starts from, whose log-probabilities are computed once before the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from restmcts.errors import InputError
from restmcts.training.adapters import load_trainable, save_trained
from restmcts.training.checkpoint import load_tokenizer
from restmcts.training.fitting import Course, arguments, one_device, run
from restmcts.training.group import Group
from restmcts.training.jobs import Job
from restmcts.training.preference_trainers import DPO, KTO, Row, dpo_row, kto_rows
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.resuming import Resumable, SavedState
from restmcts.training.samples import Pair, preference_pairs
from restmcts.training.settings import ONE_PROCESS, Device, PreferenceTraining
from restmcts.training.train import train
from store.records import PreferenceSample


def train_preferences(
    source: Path,
    samples: Sequence[PreferenceSample],
    settings: PreferenceTraining,
    target: Path,
    *,
    progress: OnProgress | None = None,
    device: Device = "auto",
    resume: Path | None = None,
) -> TrainingReport:
    """Train a policy on pairs of continuations and write it to ``target``, all of it or nothing.

    The tokens are those that the policy sampled, after the prompt of the search. The prompt and the steps
    before the continuations take no part in the loss. An end-of-text token follows a continuation only where
    the policy ended its text there.

    Args:
        source: the folder of the policy to start from, which is also the one that the policy is held to.
        samples: the pairs.
        settings: how to train.
        target: the folder to write; one that this program wrote is replaced when the training is done.
        progress: called about a hundred times.
        device: where to train.
        resume: a folder for the state of the training, if an interrupted training is to go on; it is removed
            when the training is done.

    Returns:
        The report; among its metrics are ``reward_margin``, by how much more the chosen continuations gained
        than the rejected ones (beta times nats, the mean over the last updates), and with DPO
        ``reward_accuracy``, the share of the pairs whose chosen continuation gained more.

    Raises:
        InputError: ``source`` does not hold a policy that can be used, ``target`` must not be replaced, or a
            launcher has started the process.
        StoreError: ``target`` cannot be written.
        PhaseError: there is nothing to train on, or the loss is not a number.
    """
    if not Group.here(ONE_PROCESS).alone:
        raise InputError("preferences are learned in one process: start the command without a launcher")
    return train(Job(source, samples, settings, device, resume), fit_preference, target, progress)


def fit_preference(
    job: Job[PreferenceSample, PreferenceTraining], folder: Path, progress: OnProgress | None, group: Group
) -> TrainingReport:
    """What :func:`train_preferences` does with its folder, in a process that is alone."""
    source, settings = job.source, job.settings
    pairs, skipped = preference_pairs(source, job.samples, settings.max_length)
    course = Course.of(settings, [pair.size for pair in pairs], skipped)
    state = SavedState.of(job, group)
    model = load_trainable(source, settings)

    def make(watching: list[TrainerCallback]) -> Resumable:
        options = arguments(settings, course.total, folder, job.device)
        return _trainer(model, source, pairs, course, settings, options, watching)

    report = run(make, model, course, settings, progress, state)
    save_trained(model, folder, source, settings)
    return report


def _trainer(
    model: Any,
    source: Path,
    pairs: Sequence[Pair],
    course: Course,
    settings: PreferenceTraining,
    options: dict[str, Any],
    callbacks: list[TrainerCallback],
) -> Resumable:
    """The trainer of TRL that reads the batches of ``course``; the settings of the model stay as they are."""
    kind: Any = DPO if settings.method == "dpo" else KTO
    together = settings.batch_size * (1 if settings.method == "dpo" else 2)
    padding = _padding(model)
    trainer: Any = kind(
        _rows(pairs, course.batches, settings.method),
        settings.dtype,
        model=model,
        args=one_device(kind.arguments(settings, options | {"per_device_train_batch_size": together})),
        processing_class=load_tokenizer(source),
        callbacks=callbacks,
    )
    for config, token in padding:
        config.pad_token_id = token
    trainer.processing_class = None  # it would change the special tokens of the model
    if settings.lora is not None:
        model.delete_adapter("ref")  # TRL's copy, by which the reference has been computed
    made: Resumable = trainer
    return made


def _rows(pairs: Sequence[Pair], batches: Sequence[Sequence[int]], method: str) -> list[Row]:
    """The rows of the trainer in the order in which it reads them."""
    if method == "dpo":
        return [dpo_row(pairs[number]) for batch in batches for number in batch]
    return [row for batch in batches for row in kto_rows([pairs[number] for number in batch])]


def _padding(model: Any) -> list[tuple[Any, Any]]:
    """The settings of the model in which TRL changes the token of padding, and their values."""
    configs = (model.config.get_text_config(), model.generation_config)
    return [(config, config.pad_token_id) for config in configs]
