"""The engine ``pooling`` as the registry knows it; importing this imports no library."""

from __future__ import annotations

from pathlib import Path

from restmcts.engines.base import ValueModel
from restmcts.engines.registry import Engine
from restmcts.engines.settings import ModelSettings


def open_value(folder: Path, models: ModelSettings, name: str) -> ValueModel:
    """The value model in a folder, which the servers have loaded."""
    from restmcts.engines.pooling.value import PoolingValueModel

    return PoolingValueModel(
        folder, models.pooling, name=name, template_arguments=models.chat_template_arguments
    )


POOLING = Engine(
    summary="a value model on servers that `vllm serve FOLDER --runner pooling` starts",
    open_value=open_value,
    local=True,
    served=True,
    requires="openai",
    install='`pip install "restmcts[openai]"`',
)
