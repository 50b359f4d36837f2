"""Training of a value model: regression of quality values at the ends of the steps (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from restmcts.engines.loading import find_device, load_config
from restmcts.errors import InputError
from restmcts.evaluation.value_report import Judged, good_steps, likelihoods, value_report
from restmcts.training.batches import UNLABELLED, Batch, Example, collate
from restmcts.training.checkpoint import (
    check_trainable,
    classifier_from_policy,
    is_value_model,
    load_value_model,
    save,
)
from restmcts.training.fitting import fit, seeded
from restmcts.training.report import OnProgress, TrainingReport
from restmcts.training.resuming import SavedState
from restmcts.training.samples import Chain, value_chains
from restmcts.training.settings import Device, ValueTraining
from store.files.folders import new_folder
from store.records import ValueSample

_PREDICTED_TOGETHER = 64
"""Chains that are read in one batch when values are predicted."""


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

    Raises:
        InputError: ``source`` does not hold a model that can be used, or ``target`` must not be replaced.
        StoreError: ``target`` cannot be written.
        PhaseError: there is nothing to train on, or the loss is not a number.
    """
    counted = unique_labels(samples) if share_nodes else samples
    chains, skipped = value_chains(source, counted, settings.max_length)
    examples = [
        example(chain, good_steps(samples[chain.number].labels))
        for chain in chains
        if any(label is not None for label in chain.labels)
    ]
    skipped["without labels"] = len(chains) - len(examples)
    state = SavedState.of(resume, source, samples, settings, share_nodes=share_nodes)
    with new_folder(target) as folder:
        with seeded(settings.seed):
            model = value_model(source, settings.extra_layers, settings.fresh_layers)
        report = fit(
            model,
            examples,
            partial(value_loss, language_weight=settings.language_weight),
            settings,
            label_dtype=torch.float32,
            skipped=skipped,
            folder=folder,
            progress=progress,
            device=device,
            state=state,
        )
        save(model, folder, source, settings.dtype)
        metrics = held_out_metrics(folder, held_out, settings.max_length, device) if held_out else {}
    if state is not None:
        state.remove()
    return replace(report, metrics=metrics)


def unique_labels(samples: Sequence[ValueSample]) -> list[ValueSample]:
    """The same chains, with each label kept in the first chain that has the node, and None elsewhere.

    Chains of one tree share their first steps; without this a node would weigh as much as it has leaves.
    A node is one of a tree: equal steps in two trees of a problem are two nodes. Samples without a tree
    (worked solutions and their perturbed steps) are taken as one tree a problem.
    """
    numbers: dict[tuple[object, ...], int] = {}
    seen: set[tuple[str, int]] = set()
    unique: list[ValueSample] = []
    for sample in samples:
        node = -1
        labels: list[float | None] = []
        for step, label in zip(sample.steps, sample.labels, strict=True):
            key = (sample.problem if node < 0 else node, step.text, step.tokens, step.ended)
            node = numbers.setdefault(key, len(numbers))
            new = {(tree, node) for tree in sample.trees or ("",)} - seen
            labels.append(label if new else None)
            seen |= new if label is not None else set()
        unique.append(replace(sample, labels=tuple(labels)))
    return unique


def value_model(source: Path, extra_layers: int = 0, fresh_layers: int = 0) -> Any:
    """The value model to train: the one in ``source``, or one made from the policy there.

    A new one is an ordinary sequence classifier with one label for regression. Its head is zero, so that
    training does not begin by unlearning random values; extra and fresh layers are drawn from torch's
    random number generator.

    Raises:
        InputError: ``source`` holds neither, or extra layers are not possible for its architecture.
    """
    check_trainable(source)
    config = load_config(source)
    if is_value_model(config):
        return load_value_model(source)
    old_layers = config.num_hidden_layers
    config.num_labels, config.problem_type = 1, "regression"
    if config.pad_token_id is None:
        config.pad_token_id = _spare_token(config)
    if fresh_layers:
        _add_layers(config, fresh_layers - old_layers)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        torch.nn.init.zeros_(model.score.weight)
        return model
    if extra_layers:
        _add_layers(config, extra_layers)
    model = classifier_from_policy(source, config)
    torch.nn.init.zeros_(model.score.weight)
    if extra_layers:
        _silence(model, source, old_layers)
    return model


def _spare_token(config: Any) -> int:
    """A token for padding when the policy has none: its end-of-text token, which no partial solution has."""
    end = config.eos_token_id
    if isinstance(end, list):
        end = end[0] if end else None
    return 0 if end is None else int(end)


def _add_layers(config: Any, count: int) -> None:
    config.num_hidden_layers += count
    kinds = getattr(config, "layer_types", None)
    if kinds:
        config.layer_types = [*kinds, *[kinds[-1]] * count][: config.num_hidden_layers]


def _silence(model: PreTrainedModel, source: Path, old_layers: int) -> None:
    """Make the layers from ``old_layers`` on change nothing: what they write is zero at first.

    Their other weights stay random, so that the first update can already change what they write.
    """
    layers = getattr(backbone(model), "layers", ())
    for layer in layers[old_layers:]:
        writers = [
            getattr(getattr(layer, "self_attn", None), "o_proj", None),
            getattr(getattr(layer, "mlp", None), "down_proj", None),
        ]
        if not all(isinstance(writer, torch.nn.Linear) for writer in writers):
            break
        for writer in writers:
            assert isinstance(writer, torch.nn.Linear)
            for parameter in writer.parameters():
                torch.nn.init.zeros_(parameter)
    else:
        if len(layers) > old_layers:
            return
    raise InputError(
        f"{source}: extra_layers is only possible for Llama-like models, not for {type(model).__name__}; "
        "set extra_layers to 0"
    )


def backbone(model: PreTrainedModel) -> Any:
    """The model below its head: token ids to hidden states."""
    return getattr(model, model.base_model_prefix)


def example(chain: Chain, good: Sequence[bool | None] = ()) -> Example:
    """A chain as token ids, with its labels at the last token of each step; good steps are written."""
    labels = [float(UNLABELLED)] * len(chain.tokens)
    written = [False] * len(chain.tokens)
    starts = (chain.prompt, *(end + 1 for end in chain.ends))
    for place, (start, end, label) in enumerate(zip(starts, chain.ends, chain.labels, strict=False)):
        if label is not None:
            labels[end] = label
            if good and good[place]:
                written[start : end + 1] = [True] * (end + 1 - start)
    return Example(chain.tokens, tuple(labels), tuple(written))


def hidden_states(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """What the head reads: (batch, length, width). Each position knows the tokens up to its own."""
    output: Any = backbone(model)(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    )
    hidden: torch.Tensor = output.last_hidden_state
    return hidden


def token_values(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """What the head says at every token: (batch, length)."""
    head: Any = model.score
    values: torch.Tensor = head(hidden).squeeze(-1).float()
    return values


def value_loss(model: PreTrainedModel, batch: Batch, language_weight: float = 0.0) -> torch.Tensor:
    """The mean squared error at the labelled tokens, and the loss of the written ones with its weight.

    Both are sums over the number of labels in the update.
    """
    hidden = hidden_states(model, batch)
    labelled = batch["labels"] != UNLABELLED
    errors = token_values(model, hidden)[labelled] - batch["labels"][labelled]
    loss = errors.square().sum() / batch["count"]
    if language_weight and batch["written"].any():
        loss = loss + language_weight * written_loss(model, hidden, batch)
    return loss


def written_loss(model: PreTrainedModel, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The cross entropies of the written tokens, read through the token embeddings."""
    following = batch["written"][:, 1:]
    embeddings: Any = model.get_input_embeddings()
    logits = (hidden[:, :-1][following] @ embeddings.weight.T).float()
    return cross_entropy(logits, batch["input_ids"][:, 1:][following], reduction="sum") / batch["count"]


def predict_values(
    folder: Path, samples: Sequence[ValueSample], *, max_length: int, device: Device = "auto"
) -> list[tuple[float, ...] | None]:
    """The value of each step of each chain, clamped to [0, 1]; None for a chain that is too long."""
    model = load_value_model(folder).eval().to(find_device(device))
    chains, _ = value_chains(folder, samples, max_length)
    found: dict[int, tuple[float, ...]] = {}
    order = sorted(chains, key=lambda chain: len(chain.tokens))
    with torch.inference_mode():
        for start in range(0, len(order), _PREDICTED_TOGETHER):
            together = order[start : start + _PREDICTED_TOGETHER]
            found |= zip([chain.number for chain in together], _predict(model, together), strict=True)
    return [found.get(number) for number in range(len(samples))]


def _predict(model: PreTrainedModel, chains: Sequence[Chain]) -> list[tuple[float, ...]]:
    batch = collate([example(chain) for chain in chains], torch.float32)
    on_device = {name: tensor.to(model.device) for name, tensor in batch.items()}
    values = token_values(model, hidden_states(model, on_device))
    rows = values.clamp(0, 1).tolist()
    return [tuple(row[end] for end in chain.ends) for row, chain in zip(rows, chains, strict=True)]


def held_out_metrics(
    folder: Path, samples: Sequence[ValueSample], max_length: int, device: Device
) -> dict[str, float]:
    """The figures of a value model on chains that it was not trained on, each node counted once.

    Good and bad steps are told apart by their labels (:func:`good_steps`).
    """
    predictions = predict_values(folder, samples, max_length=max_length, device=device)
    rows = judged(samples, predictions)
    if not rows:
        return {}
    return {f"held_out.{name}": figure for name, figure in value_report(rows).metrics().items()}


def judged(samples: Sequence[ValueSample], predictions: Sequence[tuple[float, ...] | None]) -> list[Judged]:
    """The labelled nodes of chains with what the value model said about them."""
    rows: list[Judged] = []
    for sample, once, predicted in zip(samples, unique_labels(samples), predictions, strict=True):
        if predicted is None:
            continue
        good = good_steps(sample.labels)
        for depth, likelihood in enumerate(likelihoods(sample.steps), start=1):
            label, correct = once.labels[depth - 1], good[depth - 1]
            if label is not None and correct is not None:
                rows.append(Judged(sample.problem, depth, predicted[depth - 1], label, correct, likelihood))
    return rows
