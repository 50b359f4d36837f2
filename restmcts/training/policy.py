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
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.resuming import SavedState
from restmcts.training.samples import Chain, policy_chains
from restmcts.training.settings import Device, PolicyTraining
from store.files.folders import new_folder
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

    Raises:
        InputError: ``source`` does not hold a policy that can be used, or ``target`` must not be replaced.
        StoreError: ``target`` cannot be written.
        PhaseError: there is nothing to train on, or the loss is not a number.
    """
    chains, skipped = policy_chains(source, samples, settings.max_length)
    state = SavedState.of(resume, source, samples, settings)
    with new_folder(target) as folder:
        model = load_trainable(source, settings)
        report = fit(
            model,
            [example(chain) for chain in chains],
            next_token_loss,
            settings,
            label_dtype=torch.long,
            skipped=skipped,
            folder=folder,
            progress=progress,
            device=device,
            state=state,
        )
        save_trained(model, folder, source, settings)
    if state is not None:
        state.remove()
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
