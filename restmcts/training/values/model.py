"""Value models: made from a policy or read from a folder, and what their head says at each token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from restmcts.engines.loading import load_config
from restmcts.errors import InputError
from restmcts.training.batches import Batch
from restmcts.training.checkpoint import (
    check_trainable,
    classifier_from_policy,
    is_value_model,
    load_value_model,
)


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
