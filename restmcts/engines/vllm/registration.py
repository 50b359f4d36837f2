"""The engine ``vllm`` as the registry knows it; importing this imports no library."""

from __future__ import annotations

from pathlib import Path

from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.registry import Engine
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm import INSTALL


def open_policy(folder: Path, models: ModelSettings, name: str) -> Policy:
    """The policy in a folder."""
    from restmcts.engines.vllm.policy import VllmPolicy

    return VllmPolicy(folder, models, name=name)


def open_value(folder: Path, models: ModelSettings, name: str) -> ValueModel:
    """The value model in a folder."""
    from restmcts.engines.vllm.value import VllmValueModel

    return VllmValueModel(folder, models, name=name)


def advice(models: ModelSettings) -> list[str]:
    """Settings of vLLM that do not suit tree searches."""
    size = models.vllm.block_size
    if size <= 32:
        return []
    return [f"models.vllm.block_size is {size}: texts share full blocks only, and steps are short; try 32"]


VLLM = Engine(
    summary="vLLM: several times as fast with models of a hundred million weights and more; not reproducible",
    open_policy=open_policy,
    open_value=open_value,
    local=True,
    trainable=True,
    requires="vllm",
    install=INSTALL,
    cache_key="models.vllm.cache_gib",
    advice=advice,
)
