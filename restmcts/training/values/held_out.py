"""What a value model says about chains that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel

from restmcts.aggregations import Aggregation
from restmcts.engines.loading import find_device
from restmcts.evaluation.values.value_report import value_report
from restmcts.samples.judged import Judging, truth_of_labels
from restmcts.training.batches import collate
from restmcts.training.checkpoint import load_value_model
from restmcts.training.samples import Chain, value_chains
from restmcts.training.settings import Device, ValueTraining
from restmcts.training.values.examples import example
from restmcts.training.values.model import hidden_states, token_values
from store.records import ValueSample

_PREDICTED_TOGETHER = 64
"""Chains that are read in one batch when values are predicted."""


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
    folder: Path, samples: Sequence[ValueSample], settings: ValueTraining, device: Device
) -> dict[str, float]:
    """The figures of a value model on chains that it was not trained on, each node counted once.

    Good and bad steps are told apart by their labels (:func:`good_steps`). A factorized model is judged by
    the product of its values, the chance that a partial solution is right.
    """
    predictions = predict_values(folder, samples, max_length=settings.max_length, device=device)
    aggregation: Aggregation = "product" if settings.objective == "factorized" else "last"
    judging = Judging(samples, [truth_of_labels(sample) for sample in samples], predictions, aggregation)
    rows = list(judging.steps())
    if not rows:
        return {}
    report = value_report(rows, list(judging.chains()))
    return {f"held_out.{name}": figure for name, figure in report.metrics().items()}
