"""The losses of a value model; each is a sum over the labels of a batch, over the labels of its update."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad, softplus
from transformers import PreTrainedModel

from restmcts.training.batches import UNLABELLED, Batch
from restmcts.training.values.examples import NO_NODE
from restmcts.training.values.model import hidden_states, token_values

RANKING_SCALE = 10.0
"""Log-odds for each 1 that one next step lies above another: values live in [0, 1], log-odds do not."""


def value_loss(
    model: PreTrainedModel,
    batch: Batch,
    *,
    quality: bool = False,
    ranking_weight: float = 0.0,
    language_weight: float = 0.0,
) -> torch.Tensor:
    """The loss of a batch.

    Args:
        quality: the labels are quality values, and the head says the chances that they follow from.
        ranking_weight: the weight of the loss of siblings.
        language_weight: the weight of the loss of the tokens of good steps.
    """
    hidden = hidden_states(model, batch)
    values = token_values(model, hidden)
    loss = quality_loss(values, batch) if quality else squared_loss(values, batch)
    if ranking_weight:
        loss = loss + ranking_weight * ranking_loss(values, batch)
    if language_weight and batch["written"].any():
        loss = loss + language_weight * written_loss(model, hidden, batch)
    return loss


def squared_loss(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The squared errors of the values (batch, length) at the labelled tokens."""
    labelled = batch["labels"] != UNLABELLED
    errors = values[labelled] - batch["labels"][labelled]
    return errors.square().sum() / batch["count"]


def quality_loss(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The squared errors of the quality values that follow from the chances of the steps.

    Engines clamp what the head says to [0, 1], so the chances are clamped values too. The gradient passes the
    clamp as if it were not there: a head that says 0 of all steps, as a new one does, or more than 1, still
    learns. What lies outside [0, 1] costs its squared distance, so that it does not run away.
    """
    steps = values.gather(1, batch["ends"])
    chances = steps.clamp(0, 1)
    outside = (steps - chances)[batch["distances"] > 0]
    chances = steps + (chances - steps).detach()
    implied = quality_values(chances, batch["distances"])
    labels = batch["labels"].gather(1, batch["ends"])
    labelled = (batch["distances"] > 0) & (labels != UNLABELLED)
    errors = (implied - labels)[labelled]
    return (errors.square().sum() + outside.square().sum()) / batch["count"]


def quality_values(right: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    """:func:`restmcts.labels.quality.quality_values` for a batch of chains, differentiable in ``right``.

    Args:
        right: the chance that a step is right, given that all steps before are: (batch, steps).
        distances: the distance of each step to a correct answer, itself included: (batch, steps); 0 fills up,
            and what is said there means nothing.

    The recursions are in closed form: a right step multiplies 1 - v by 1 - 1/d, a step from the first error
    on by 1 + 1/d, up to 1. Logarithms keep long chains finite.
    """
    right = torch.where(distances > 0, right, 1.0)
    missing = (1 - 1 / distances.clamp(min=1)).cumprod(1)
    last = pad(distances.clamp(min=1)[:, :-1], (1, 0), value=1)
    number = torch.arange(right.shape[1], device=right.device)
    steps = number[None, :] - number[:, None] + 1
    start = pad(missing[:, :-1], (1, 0), value=1.0).log()
    grown = start[:, :, None] + steps * torch.log1p(1 / last)[:, :, None]
    fallen = -torch.expm1(grown.clamp(max=0)) * (steps > 0)
    reached = right.cumprod(1)
    first_error = pad(reached[:, :-1], (1, 0), value=1.0) * (1 - right)
    return reached * (1 - missing) + (first_error[:, :, None] * fallen).sum(1)


def ranking_loss(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Bradley-Terry over the siblings of a batch: the better next step of a partial solution above the other.

    The mean over all pairs with different labels, weighed by the labels of the batch. Pairs are what a label
    says for certain where its height is an estimate (PPM of rStar-Math, arXiv 2501.04519; PQM, 2410.11287).
    """
    ranked = batch["parents"] != NO_NODE
    said = values.gather(1, batch["ends"])[ranked]
    labels, parents = batch["ranks"][ranked], batch["parents"][ranked]
    better = (parents[:, None] == parents[None, :]) & (labels[:, None] > labels[None, :])
    if not better.any():
        return values.sum() * 0.0
    ahead = (said[:, None] - said[None, :])[better]
    share = (batch["labels"] != UNLABELLED).sum() / batch["count"]
    return share * softplus(-RANKING_SCALE * ahead).mean()


def written_loss(model: PreTrainedModel, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The cross entropies of the written tokens, read through the token embeddings."""
    following = batch["written"][:, 1:]
    embeddings: Any = model.get_input_embeddings()
    logits = (hidden[:, :-1][following] @ embeddings.weight.T).float()
    return cross_entropy(logits, batch["input_ids"][:, 1:][following], reduction="sum") / batch["count"]
