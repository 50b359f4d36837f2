"""Adapters: folders with the difference of a model from its base, and where the base is.

A folder may come from anybody, so its adapter_config.json is not given to peft. What is read of it is checked
here, and anything else that would change the model is refused. A base is followed only if it lies near, or if
the user named it in this process. This imports no model library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from restmcts.engines.files import Tensor, header_of, read_object
from restmcts.errors import InputError

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"

LARGEST_RANK: Final = 4096

_CHECKPOINTS: Final = "checkpoints"
"""The folder of a run below whose folders of iterations its models lie."""

_BASES: dict[Path, Path] = {}
"""The bases of adapters as they were named in this process."""

_READ: Final = {
    "base_model_name_or_path", "fan_in_fan_out", "lora_alpha", "lora_dropout", "peft_type", "r",
    "target_modules", "task_type", "use_rslora",
}  # fmt: skip
_IGNORED: Final = {
    "inference_mode", "init_lora_weights", "megatron_core", "peft_version", "qalora_group_size", "revision",
    "runtime_config",
}  # fmt: skip
"""Keys that change nothing when trained weights are loaded, or only together with another key."""

_PLAIN: Final[dict[str, tuple[Any, ...]]] = {"bias": ("none", None)}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter as its configuration describes it.

    ``base`` is the name of the base as it is written, ``targets`` are the ends of the names of the layers.
    """

    base: str
    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    rank_stabilised: bool = False
    transposed: bool = False


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter instead of a whole model."""
    return (folder / ADAPTER_CONFIG).exists()


def read_adapter(folder: Path) -> Adapter:
    """The configuration of an adapter.

    Raises:
        InputError: it is of another kind, or has a setting that is not known here.
    """
    path = folder / ADAPTER_CONFIG
    values = read_object(path)
    kind, task = values.get("peft_type"), values.get("task_type")
    if kind != "LORA" or task not in ("CAUSAL_LM", None):
        raise InputError(
            f"{path}: an adapter of the kind {kind!r} for {task!r}; only LoRA of causal language models is"
            " read. Merge it into its base model with its own library"
        )
    for key, value in values.items():
        if key not in _READ | _IGNORED and value and value not in _PLAIN.get(key, ()):
            raise InputError(f"{path}: {key} is set, which is not read here; merge the adapter with peft")
    targets = values.get("target_modules")
    if not isinstance(targets, list) or not targets or not all(isinstance(name, str) for name in targets):
        raise InputError(f"{path}: target_modules must be a list of names of layers")
    return Adapter(
        base=_text(values, "base_model_name_or_path", path),
        rank=int(_number(values, "r", path, 1, LARGEST_RANK, whole=True)),
        alpha=_number(values, "lora_alpha", path, 0, 1e6),
        dropout=_number(values, "lora_dropout", path, 0, 1),
        targets=tuple(sorted(targets)),
        rank_stabilised=_flag(values, "use_rslora", path),
        transposed=_flag(values, "fan_in_fan_out", path),
    )


def examine_adapter(folder: Path) -> None:
    """Refuse an adapter whose weights are not those of its configuration.

    Raises:
        InputError: names the file, and what is wrong with it.
    """
    adapter = read_adapter(folder)
    path = folder / ADAPTER_WEIGHTS
    if not path.exists():
        raise InputError(f"{folder}: no {ADAPTER_WEIGHTS}; adapters are read from safetensors alone")
    for name, tensor in header_of(path).items():
        _check_tensor(name, tensor, adapter, path)


def base_folder(folder: Path) -> Path:
    """The folder of the whole model that an adapter belongs to.

    Raises:
        InputError: it is not there, it is an adapter itself, or it lies elsewhere and nobody named it.
    """
    name = read_adapter(folder).base
    here = folder.resolve()
    base = _BASES.get(here) or Path(os.path.normpath(here / name)).resolve()
    cure = f"name it: restmcts model merge {folder} TARGET --base DIR"
    if here not in _BASES and (Path(name).is_absolute() or not _is_near(base, here)):
        raise InputError(
            f"{folder}: an adapter of {name!r}, which is not followed because it lies elsewhere; {cure}"
        )
    if not (base / "config.json").is_file():
        raise InputError(f"{folder}: an adapter of {name!r}, and there is no such model; {cure}")
    if is_adapter(base):
        raise InputError(f"{folder}: an adapter of {name!r}, an adapter itself; merge that one first")
    return base


def whole_folder(folder: Path) -> Path:
    """The folder with the whole model: the base of an adapter, or the folder itself.

    Raises:
        InputError: the base of an adapter cannot be used.
    """
    return base_folder(folder) if is_adapter(folder) else folder


def name_base(adapter: Path, base: Path) -> None:
    """Say where the base of an adapter is, whatever its folder says, because the user has said so."""
    _BASES[adapter.resolve()] = base.resolve()


def base_name(base: Path, target: Path) -> str:
    """How an adapter in ``target`` is to name its base: by the way to it where it lies near.

    So folders that belong together can be moved together.
    """
    here, there = target.resolve(), base.resolve()
    return os.path.relpath(there, here) if _is_near(there, here) else str(there)


def _is_near(one: Path, other: Path) -> bool:
    """Whether two folders lie side by side, or are checkpoints of one run."""
    if one.parent == other.parent:
        return True
    iterations = one.parent.parent
    return iterations == other.parent.parent and iterations.name == _CHECKPOINTS


def _check_tensor(name: str, tensor: Tensor, adapter: Adapter, path: Path) -> None:
    layer, _, part = name.removesuffix(".weight").rpartition(".")
    fits = len(tensor.shape) == 2 and tensor.shape[part == "lora_B"] == adapter.rank
    targeted = any(layer.endswith(f".{target}") for target in adapter.targets)
    if part not in ("lora_A", "lora_B") or not fits or not targeted:
        raise InputError(
            f"{path}: the tensor {name[:200]} of shape {list(tensor.shape)} is none of an adapter of rank"
            f" {adapter.rank} on these layers; is it the configuration of another adapter?"
        )


def _text(values: Mapping[str, Any], key: str, path: Path) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{path}: {key} must name the folder of the base model")
    return value


def _number(
    values: Mapping[str, Any], key: str, path: Path, least: float, most: float, *, whole: bool = False
) -> float:
    value = values.get(key)
    kinds = (int,) if whole else (int, float)
    if value is None or type(value) not in kinds or not least <= value <= most:
        raise InputError(f"{path}: {key} is {str(value)[:40]}, but must be a number from {least} to {most}")
    return float(value)


def _flag(values: Mapping[str, Any], key: str, path: Path) -> bool:
    value = values.get(key, False)
    if type(value) is not bool:
        raise InputError(f"{path}: {key} must be true or false")
    return value
