"""Policies to train, whole or by an adapter, and their checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from restmcts.engines.adapters import (
    Adapter,
    base_name,
    is_adapter,
    name_base,
    read_adapter,
    whole_folder,
)
from restmcts.engines.loading import load_base
from restmcts.engines.soundness import check_causal
from restmcts.engines.transformers.adapters import load_adapted, put_on, save_adapter
from restmcts.errors import InputError
from restmcts.training.checkpoint import check_policy, copy_others, load_policy, save, saving
from restmcts.training.fitting import seeded
from restmcts.training.settings import AdapterTraining, LoraSettings, Precision
from store.files.folders import new_folder, target_of


def load_trainable(source: Path, settings: AdapterTraining) -> Any:
    """The policy of a folder in float32, with an adapter on it where the settings want one.

    A training without an adapter from a folder with one starts from the merged model; a training with one
    goes on with the adapter that is there.

    Raises:
        InputError: the folder does not hold a policy, or an adapter of another form than the settings say.
    """
    if settings.lora is None:
        return load_policy(source)
    with seeded(settings.seed):
        wanted = _described(settings.lora)
        model = _go_on(source, wanted) if is_adapter(source) else put_on(load_policy(source), wanted)
    if settings.gradient_checkpointing:
        model.enable_input_require_grads()
    return model


def save_trained(model: Any, folder: Path, source: Path, settings: AdapterTraining) -> None:
    """Write what was trained from ``source``: the whole model, or the adapter alone.

    Raises:
        StoreError: it cannot be written.
    """
    if settings.lora is None:
        save(model, folder, source, settings.dtype)
        return
    base = base_name(whole_folder(source), target_of(folder))
    with saving(folder):
        save_adapter(model, folder, base, getattr(torch, settings.dtype))
        copy_others(source, folder)


def merge_adapter(adapter: Path, target: Path, base: Path | None, dtype: Precision) -> None:
    """Write the whole model of an adapter to ``target``, all of it or nothing.

    Args:
        adapter: the folder of the adapter.
        target: the folder to write; one that this program wrote is replaced.
        base: the folder of its base; None: the one that it names, if that lies near.
        dtype: the type that the weights are written in; they are added in float32.

    Raises:
        InputError: the folder does not hold an adapter that can be used.
        StoreError: the model cannot be written.
    """
    if not is_adapter(adapter):
        raise InputError(f"{adapter}: holds no adapter (adapter_config.json), so there is nothing to merge")
    if base is not None:
        name_base(adapter, base)
    with new_folder(target) as folder:
        save(load_policy(adapter), folder, adapter, dtype)


def _described(lora: LoraSettings) -> Adapter:
    return Adapter("", lora.rank, lora.alpha, lora.dropout, tuple(lora.targets))


def _go_on(source: Path, wanted: Adapter) -> Any:
    check_policy(source)
    found = read_adapter(source)
    if (found.rank, found.alpha, found.rank_stabilised) != (wanted.rank, wanted.alpha, False):
        raise InputError(
            f"{source}: an adapter of rank {found.rank} and alpha {found.alpha:g}, but lora says rank"
            f" {wanted.rank} and alpha {wanted.alpha:g}: say the same, or merge it first (restmcts model"
            " merge)"
        )
    model = load_base(AutoModelForCausalLM, source)
    check_causal(model, source)
    return load_adapted(model, source, wanted)
