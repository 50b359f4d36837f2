"""The engine ``openai`` as the registry knows it; importing this imports no library."""

from __future__ import annotations

from pathlib import Path

from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.registry import Engine
from restmcts.engines.settings import ModelSettings


def open_policy(folder: Path, models: ModelSettings, name: str) -> Policy:
    """The model ``name`` on the server; there is no folder."""
    from restmcts.engines.openai.policy import OpenAiPolicy

    return OpenAiPolicy(name, models.openai, template_arguments=models.chat_template_arguments)


def open_value(folder: Path, models: ModelSettings, name: str) -> ValueModel:
    """The model ``name`` on the server, which is asked for values."""
    from restmcts.engines.prompted.value import PromptedValueModel

    return PromptedValueModel(open_policy(folder, models, name), models.openai.value_samples)


OPENAI = Engine(
    summary="a model behind an OpenAI-compatible server; values come from prompts",
    open_policy=open_policy,
    open_value=open_value,
    requires="openai",
    install='`pip install "restmcts[openai]"`',
)
