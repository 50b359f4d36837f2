"""Training of a value model on the labels of steps (paper, Section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from restmcts.evaluation.values.judged import good_steps
from restmcts.labels.quality import are_fractions
from restmcts.training.checkpoint import save
from restmcts.training.fitting import fit, seeded
from restmcts.training.group import Group
from restmcts.training.jobs import Job
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.resuming import SavedState
from restmcts.training.samples import value_chains
from restmcts.training.settings import ONE_PROCESS, Device, ProcessSettings, ValueTraining
from restmcts.training.sharing import Objective, put_together
from restmcts.training.train import train
from restmcts.training.values.examples import ValueExample, collate_values, example
from restmcts.training.values.held_out import held_out_metrics
from restmcts.training.values.labels import factorized
from restmcts.training.values.losses import value_loss
from restmcts.training.values.model import value_model
from restmcts.training.values.nodes import Siblings, node_numbers, unique_labels
from store.records import ValueSample


def train_value(
    source: Path,
    samples: Sequence[ValueSample],
    settings: ValueTraining,
    target: Path,
    *,
    held_out: Sequence[ValueSample] = (),
    share_nodes: bool = True,
    progress: OnProgress | None = None,
    device: Device = "auto",
    resume: Path | None = None,
    beside: Callable[[Path], None] | None = None,
    processes: ProcessSettings = ONE_PROCESS,
) -> TrainingReport:
    """Train a value model and write it to ``target``, all of it or nothing.

    Every labelled step end of a chain takes part, and all of one chain are read in one pass.

    Args:
        source: the folder of a policy, whose weights the value model starts from, or of a value model,
            which is trained further.
        samples: one row a chain, with a label or None for the prefix that ends at each step.
        settings: how to train.
        target: the folder to write; one that this program wrote is replaced when the training is done.
        held_out: chains that are not trained on; figures for them are among the report's metrics, as
            ``held_out.auc`` and so on (:meth:`ValueReport.metrics`).
        share_nodes: count a node that several chains of a tree share once (:func:`unique_labels`).
        progress: called about a hundred times.
        device: where to train.
        resume: a folder for the state of the training, if an interrupted training is to go on; it is removed
            when the training is done.
        beside: gets the folder with the trained model in it, and may write further files there.
        processes: how many train the model together; see :func:`restmcts.training.policy.train_policy`.

    Raises:
        InputError: ``source`` does not hold a model that can be used, ``target`` must not be replaced, the
            objective cannot learn from labels of this kind, or the samples of an update cannot be dealt out
            to the processes.
        StoreError: ``target`` cannot be written.
        PhaseError: there is nothing to train on, or the loss is not a number.
    """
    job = Job(source, samples, settings, device, resume, held_out, share_nodes)
    return train(job, fit_value, target, progress, processes, beside)


def fit_value(
    job: Job[ValueSample, ValueTraining], folder: Path, progress: OnProgress | None, group: Group
) -> TrainingReport:
    """What :func:`train_value` does in each process; the one that leads writes into ``folder``."""
    source, settings = job.source, job.settings
    examples, skipped = _examples(source, job.samples, settings, job.share_nodes)
    arrange = _side_by_side(examples, settings.seed) if settings.ranking_weight else None
    state = SavedState.of(job, group)
    model = _model(source, settings)
    report = fit(
        model,
        examples,
        _loss(job.samples, settings),
        settings,
        label_dtype=torch.float32,
        collate=collate_values,
        arrange=arrange,
        skipped=skipped,
        folder=folder,
        progress=progress,
        device=job.device,
        state=state,
        group=group,
    )
    if group.sharded:
        model = put_together(model, lambda: _model(source, settings), group.leads)
    if not group.leads:
        return report
    save(model, folder, source, settings.dtype)
    metrics = held_out_metrics(folder, job.held_out, settings, job.device) if job.held_out else {}
    return replace(report, metrics=metrics)


def _model(source: Path, settings: ValueTraining) -> Any:
    """The value model to train, with new layers by the seed."""
    with seeded(settings.seed):
        return value_model(source, settings.extra_layers, settings.fresh_layers)


def _examples(
    source: Path, samples: Sequence[ValueSample], settings: ValueTraining, share_nodes: bool
) -> tuple[list[ValueExample], dict[str, int]]:
    """The chains that have a label, and how many were left out, by reason."""
    known = factorized(samples) if settings.objective == "factorized" else samples
    chains, skipped = value_chains(
        source, unique_labels(known) if share_nodes else known, settings.max_length
    )
    nodes = node_numbers(known)
    examples = [
        example(
            chain, good_steps(known[chain.number].labels), known[chain.number].labels, nodes[chain.number]
        )
        for chain in chains
        if any(label is not None for label in chain.labels)
    ]
    skipped["without labels"] = len(chains) - len(examples)
    return examples, skipped


def _loss(samples: Sequence[ValueSample], settings: ValueTraining) -> Objective:
    """The loss that the settings ask for; fractions are learned through the chances of single steps."""
    fractions = any(are_fractions(sample.labels) for sample in samples)
    return partial(
        value_loss,
        quality=settings.objective == "factorized" and fractions,
        ranking_weight=settings.ranking_weight,
        language_weight=settings.language_weight,
    )


def _side_by_side(examples: Sequence[ValueExample], seed: int) -> Callable[[list[int]], list[int]]:
    """Puts chains that part from each other next to each other, so that batches hold siblings."""
    siblings = Siblings([one.nodes for one in examples], [one.known for one in examples])
    return partial(siblings.side_by_side, random=Random(seed))
