"""Model folders, looked at before hours are spent on them: what would go wrong later is said now.

This reads configurations and the headers of weights, and imports no model library. A folder may come from
anybody: nothing in it is believed before it was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

from restmcts.engines.adapters import examine_adapter, is_adapter, whole_folder
from restmcts.engines.files import Tensor, check_file, header_of, read_object
from restmcts.errors import InputError

MOST_LAYERS: Final = 1000
MOST_EXPERTS: Final = 10_000
"""More than this no model has; a configuration that says so would only fill the memory."""

INDEX: Final = "model.safetensors.index.json"
WEIGHTS: Final = "model.safetensors"

_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings",
    "head_dim", "n_layer", "n_embd", "n_head", "n_positions",
)  # fmt: skip
_SCALES = ("_scale_inv", ".weight_scale", ".qweight", ".qzeros", ".absmax", ".quant_state", ".weight_packed")
_SMALL = ("F8", "F4", "F6")


def examine(folder: Path) -> None:
    """Refuse a model folder that cannot be used, or that would be more than it looks like.

    Raises:
        InputError: names the folder or the file, what is wrong with it, and what to do.
    """
    config = read_config(folder)
    if is_adapter(folder):
        examine_adapter(folder)
    check_sizes(folder, config, read_tensors(folder))
    for name in ("generation_config.json", "tokenizer_config.json"):
        if (folder / name).exists():
            _check_tokens(read_object(folder / name), folder / name)
    for name in ("tokenizer.json", "tokenizer.model"):
        if (folder / name).exists():
            check_file(folder / name)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model, its values of the types that they have in every model.

    That of an adapter is the one of its base.

    Raises:
        InputError: there is no such folder or configuration, it cannot be read, or a value cannot be.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model folder")
    folder = whole_folder(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: no config.json; give the folder of a Hugging Face model")
    config = read_object(path)
    if "transformers_weights" in config:
        raise InputError(f"{path}: transformers_weights names the file of the weights; remove this key")
    for part in (config, config.get("text_config")):
        if isinstance(part, dict):
            _check_tokens(part, path)
            _check_counts(part, path)
    return config


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of all weights of a model, by name; for an adapter, those of its base.

    Raises:
        InputError: there are none, they are no safetensors, or a file is missing, cut off or no file.
    """
    return {
        name: tensor
        for path in weight_files(whole_folder(folder))
        for name, tensor in header_of(path).items()
    }


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights: one, or those that the index names, which are plain names in the folder.

    Raises:
        InputError: there are none, or the index names something else.
    """
    index, alone = folder / INDEX, (folder / WEIGHTS).exists()
    if not index.exists():
        if alone:
            return [folder / WEIGHTS]
        raise InputError(_no_weights(folder))
    weights = read_object(index).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"{index}: has no weight_map")
    names = sorted({name if isinstance(name, str) else repr(name) for name in weights.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(f"{index}: {name!r} is no safetensors file of this folder; nothing else is read")
    if alone:
        return [folder / WEIGHTS]
    if missing := [name for name in names if not (folder / name).exists()]:
        raise InputError(
            f"{folder}: {missing[0]}{_more(missing)} of the weights missing: the download is not complete,"
            " fetch it again"
        )
    return [folder / name for name in names]


def check_sizes(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Refuse a configuration that describes a larger model than the weights are.

    Raises:
        InputError: it does.
    """
    numbers = sum(prod(tensor.shape) for tensor in tensors.values())
    for part in (config, config.get("text_config")):
        if not isinstance(part, dict):
            continue
        layers = part.get("num_hidden_layers", part.get("n_layer")) or 0
        table = (part.get("vocab_size") or 0) * (part.get("hidden_size", part.get("n_embd")) or 0)
        if layers > len(tensors) or (table > numbers and quantisation(config, tensors) is None):
            raise InputError(
                f"{folder}: config.json describes a larger model than the weights are, which have"
                f" {len(tensors)} tensors with {numbers} numbers; is it the configuration of another model?"
            )


def quantisation(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str | None:
    """By what a folder shows that its weights are quantised; None: they are not."""
    for key in ("quantization_config", "compression_config"):
        if config.get(key):
            method = config[key].get("quant_method") if isinstance(config[key], dict) else None
            return f"{key} in config.json{f', {method}' if isinstance(method, str) else ''}"
    for name, tensor in tensors.items():
        if tensor.dtype.startswith(_SMALL) or name.endswith(_SCALES):
            return f"the tensor {name} of type {tensor.dtype}"
    return None


def check_plain_weights(folder: Path) -> None:
    """Refuse quantised weights: what is trained from them and saved would be garbage.

    Raises:
        InputError: the weights are quantised.
    """
    sign = quantisation(read_config(folder), read_tensors(folder))
    if sign is not None:
        raise InputError(
            f"{folder}: holds quantised weights ({sign}), from which nothing can be trained; take the model"
            " in bfloat16 or float32"
        )


def check_described(folder: Path) -> None:
    """Refuse quantised weights whose configuration does not say so: they would be read as plain numbers.

    Raises:
        InputError: that is so.
    """
    config = read_config(folder)
    if config.get("quantization_config") or config.get("compression_config"):
        return
    if (sign := quantisation(config, read_tensors(folder))) is not None:
        raise InputError(
            f"{folder}: the weights are quantised ({sign}), but config.json has no quantization_config that"
            " says how; take the model in bfloat16 or float32"
        )


def _check_tokens(values: Mapping[str, Any], path: Path) -> None:
    for key in _TOKENS:
        value = values.get(key)
        ids = value if isinstance(value, list) else [] if value is None else [value]
        if not all(type(token) is int and token >= -1 for token in ids):
            raise InputError(f"{path}: {key} is {_shown(value)}, but token ids are whole numbers")


def _check_counts(values: Mapping[str, Any], path: Path) -> None:
    for key in _SIZES:
        value = values.get(key)
        if value is not None and not isinstance(value, list) and (type(value) is not int or value < 0):
            raise InputError(f"{path}: {key} is {_shown(value)}, but must be a whole number")
    for key, value in values.items():
        limit = MOST_LAYERS if key.endswith(("layers", "n_layer")) else MOST_EXPERTS
        if type(value) is int and value > limit and key.endswith(("layers", "n_layer", "experts")):
            raise InputError(f"{path}: {key} is {value}; no model has more than {limit}")


def _no_weights(folder: Path) -> str:
    others = sorted(path.name for path in folder.glob("*.safetensors"))
    if others:
        return f"{folder}: has neither {WEIGHTS} nor {INDEX}, only {others[0]}{_more(others)}"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
        return (
            f"{folder}: the weights are pickle files, which can run code and are refused; "
            "save the model as safetensors"
        )
    return f"{folder}: no weights (*.safetensors)"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
