"""The engine ``transformers`` as the registry knows it; importing this imports no library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.registry import Engine
from restmcts.engines.settings import ModelSettings


def open_policy(folder: Path, models: ModelSettings, name: str) -> Policy:
    """The policy in a folder."""
    from restmcts.engines.transformers.policy import TransformersPolicy

    return TransformersPolicy(
        folder,
        max_batch=models.batch,
        template_arguments=models.chat_template_arguments,
        **_options(models, name),
    )


def open_value(folder: Path, models: ModelSettings, name: str) -> ValueModel:
    """The value model in a folder; a published process reward model where ``models.prm`` describes one."""
    if models.prm is not None:
        from restmcts.engines.transformers.prm import TransformersPrm

        return TransformersPrm(folder, models.prm, **_options(models, name))
    from restmcts.engines.transformers.value import TransformersValueModel

    return TransformersValueModel(
        folder, template_arguments=models.chat_template_arguments, **_options(models, name)
    )


def _options(models: ModelSettings, name: str) -> dict[str, Any]:
    return {
        "device": models.device,
        "dtype": models.dtype,
        "name": name,
        "cache_tokens": models.cache_tokens,
        "reproducible": models.reproducible,
    }


TRANSFORMERS = Engine(
    summary="Hugging Face transformers in this process; reproducible on a CPU in float32",
    open_policy=open_policy,
    open_value=open_value,
    local=True,
    trainable=True,
    cache_key="models.cache_tokens",
)
