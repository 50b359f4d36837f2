"""Supervised fine-tuning of the policy on traces: the loss is on the steps, not on the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from restmcts.training.adapters import load_trainable, save_trained
from restmcts.training.batches import UNLABELLED, Batch, Example
from restmcts.training.fitting import fit
from restmcts.training.group import Group
from restmcts.training.jobs import Job
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.resuming import SavedState
from restmcts.training.samples import Chain, policy_chains
from restmcts.training.settings import ONE_PROCESS, Device, PolicyTraining, ProcessSettings
from restmcts.training.sharing import put_together
from restmcts.training.train import train
from store.records import PolicySample


def train_policy(
    source: Path,
    samples: Sequence[PolicySample],
    settings: PolicyTraining,
    target: Path,
    *,
    progress: OnProgress | None = None,
    device: Device = "auto",
    resume: Path | None = None,
    processes: ProcessSettings = ONE_PROCESS,
) -> TrainingReport:
    """Fine-tune a policy and write it to ``target``, all of it or nothing.

    The tokens of a step are those that the policy sampled; only steps without tokens (worked solutions
    given as text) are tokenized. The end-of-text token follows the last step.

    Args:
        source: the folder of the policy to start from.
        samples: the traces to learn.
        settings: how to train.
        target: the folder to write; one that this program wrote is replaced when the training is done.
        progress: called about a hundred times.
        device: where to train.
        resume: a folder for the state of the training, if an interrupted training is to go on; it is removed
            when the training is done.
        processes: how many train the policy together. Where a launcher has started processes that all call
            this, these are taken, and the first of them writes.

    Raises:
        InputError: ``source`` does not hold a policy that can be used, ``target`` must not be replaced, or
            the samples of an update cannot be dealt out to the processes.
        StoreError: ``target`` cannot be written.
        PhaseError: there is nothing to train on, or the loss is not a number.
    """
    return train(Job(source, samples, settings, device, resume), fit_policy, target, progress, processes)


def fit_policy(
    job: Job[PolicySample, PolicyTraining], folder: Path, progress: OnProgress | None, group: Group
) -> TrainingReport:
    """What :func:`train_policy` does in each process; the one that leads writes into ``folder``."""
    chains, skipped = policy_chains(job.source, job.samples, job.settings.max_length)
    state = SavedState.of(job, group)
    model = load_trainable(job.source, job.settings)
    report = fit(
        model,
        [example(chain) for chain in chains],
        next_token_loss,
        job.settings,
        label_dtype=torch.long,
        skipped=skipped,
        folder=folder,
        progress=progress,
        device=job.device,
        state=state,
        group=group,
    )
    if group.sharded:
        model = put_together(model, lambda: load_trainable(job.source, job.settings), group.leads)
    if group.leads:
        save_trained(model, folder, job.source, job.settings)
    return report


def example(chain: Chain) -> Example:
    """A chain with its own tokens as labels, and none in the prompt."""
    masked = (UNLABELLED,) * chain.prompt
    return Example(chain.tokens, (*masked, *chain.tokens[chain.prompt :]))


def next_token_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The cross entropies of the labelled tokens, over the number of labels in the update."""
    output: Any = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    following = batch["labels"][:, 1:]
    labelled = following != UNLABELLED
    logits = output.logits[:, :-1][labelled].float()
    return cross_entropy(logits, following[labelled], reduction="sum") / batch["count"]
