"""The engines by name, and what the rest of the program asks of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from restmcts.engines.base import Policy, ValueModel
from restmcts.registry import Registry
from restmcts.settings import Settings, checked


@dataclass(frozen=True, slots=True)
class Engine:
    """A library or a service that runs models.

    The functions import the library when they are called, not before. The settings that they get are
    :class:`restmcts.engines.settings.ModelSettings`, which asks this registry for names.

    Attributes:
        summary: what the engine is, in one line.
        open_policy: gives a policy that is ready to use, from the folder of the model, all settings of
            models, and the name of the policy in stored searches. Raises InputError for a model that cannot
            be used, EngineError where a server cannot be reached. None for an engine that runs none.
        open_value: the same for a value model.
        local: whether a model is a folder on this machine. Otherwise a model is the name of a model on a
            server; then a value model may be the policy itself.
        served: whether a server computes the models of folders, too, instead of torch in this process.
        trainable: whether the loop can train the models of this engine further.
        requires: the module that must be installed, besides those that restmcts always needs.
        install: how to install it, as the end of a sentence.
        settings: the keys of ``models.settings.NAME``; None for an engine without such keys.
        cache_key: the setting that enlarges the cache of prompts; "" for none.
        advice: says for settings of models what makes searches slow, one sentence each.
    """

    summary: str
    open_policy: Callable[[Path, Any, str], Policy] | None = None
    open_value: Callable[[Path, Any, str], ValueModel] | None = None
    local: bool = False
    served: bool = False
    trainable: bool = False
    requires: str | None = None
    install: str = ""
    settings: type[Settings] | None = None
    cache_key: str = ""
    advice: Callable[[Any], list[str]] | None = None

    @property
    def values_itself(self) -> bool:
        """Whether a policy of the engine can be asked for values."""
        return not self.local and self.open_value is not None

    @property
    def asks_servers(self) -> bool:
        """Whether prompts leave this process for a server that settings name."""
        return self.served or not self.local

    @property
    def installed(self) -> bool:
        """Whether the library of the engine is there."""
        return self.requires is None or find_spec(self.requires) is not None


ENGINES: Registry[Engine] = Registry(
    "engine",
    "restmcts.engines",
    Engine,
    {
        "transformers": "restmcts.engines.transformers.registration:TRANSFORMERS",
        "vllm": "restmcts.engines.vllm.registration:VLLM",
        "openai": "restmcts.engines.openai.registration:OPENAI",
        "pooling": "restmcts.engines.pooling.registration:POOLING",
    },
)


def engine_settings(name: str, values: Mapping[str, Any]) -> Settings | None:
    """The checked settings of an engine; None for an engine without settings of its own.

    Raises:
        InputError: an unknown engine, an unknown key or a wrong value.
    """
    where = f"engine {name!r}"
    settings = ENGINES[name].settings
    if settings is None:
        # An engine without settings knows no key, so that the message about a key is the usual one.
        checked(Settings, values, where)
        return None
    return checked(settings, values, where)
