"""LoRA adapters on models of transformers: put on a base, taken off as a whole model, written and read.

The library peft is imported when a function needs it, because that takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from restmcts.engines.adapters import ADAPTER_WEIGHTS, Adapter, read_adapter
from restmcts.engines.messages import first_line, quiet
from restmcts.errors import InputError

ALL_LINEAR: Final = "all-linear"
"""What peft calls every linear layer but the last."""


def put_on(model: Any, adapter: Adapter) -> Any:
    """A model with a new adapter, which changes nothing yet; only its weights are trained.

    The weights are drawn from torch's random number generator.

    Raises:
        InputError: the model has no such layers.
    """
    from peft import LoraConfig, get_peft_model

    targets = list(adapter.targets)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # peft takes any number
        lora_dropout=adapter.dropout,
        target_modules=ALL_LINEAR if targets == [ALL_LINEAR] else targets,
        use_rslora=adapter.rank_stabilised,
        fan_in_fan_out=adapter.transposed,
        task_type="CAUSAL_LM",
    )
    try:
        with quiet():
            return get_peft_model(model, config)
    except ValueError as error:
        raise InputError(f"no adapter can be put on the model: {first_line(error)}") from error


def load_adapted(model: Any, folder: Path, adapter: Adapter | None = None) -> Any:
    """The base model with the adapter of a folder on it.

    Args:
        model: the base.
        folder: the folder of the adapter.
        adapter: how the adapter is described; None: as its folder says.

    Raises:
        InputError: the weights of the adapter do not fit the model.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    adapted = put_on(model, adapter or read_adapter(folder))
    try:
        result: Any = set_peft_model_state_dict(adapted, load_file(folder / ADAPTER_WEIGHTS))
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the adapter does not fit the model {model.config.model_type}: {first_line(error)}"
        ) from error
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if missing or result.unexpected_keys:
        name = [*missing, *result.unexpected_keys][0]
        raise InputError(
            f"{folder}: the adapter does not fit its base: {name} is in one of them alone; is it the adapter"
            " of another model?"
        )
    return adapted


def merged(adapted: Any) -> Any:
    """The whole model, with the difference added to the weights of the base; all of them can be trained."""
    return adapted.merge_and_unload().requires_grad_(True)


def save_adapter(adapted: Any, folder: Path, base: str, dtype: Any) -> None:
    """Write the adapter alone, with the name of its base: its weights as safetensors, its settings as JSON.

    Raises:
        OSError: it cannot be written.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config = adapted.peft_config["default"]
    config.base_model_name_or_path = base
    config.inference_mode = True
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))
    weights = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    save_file(
        {name: tensor.detach().to(dtype).cpu().contiguous() for name, tensor in weights.items()},
        folder / ADAPTER_WEIGHTS,
        metadata={"format": "pt"},
    )
