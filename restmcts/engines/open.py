"""Opens the engine that the settings name, importing it only then."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.cpu import freeze_libraries, prepare_cpu
from restmcts.engines.registry import ENGINES, Engine
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError


def open_policy(folder: Path, models: ModelSettings, *, name: str) -> Policy:
    """Open the policy in ``folder``; ``name`` is the name of the policy in stored searches.

    An engine that is not local takes ``name`` as the name of the model on its server, and no folder.

    Raises:
        InputError: the folder holds no usable policy, or the engine is not installed or runs no policies.
        EngineError: the server cannot be reached.
    """
    engine = _prepared(models.engine, models)
    if engine.open_policy is None:
        raise InputError(f"the engine {models.engine} runs no policies: set models.engine")
    return engine.open_policy(folder, models, name)


def open_value(folder: Path, models: ModelSettings, *, name: str) -> ValueModel:
    """Open the value model in ``folder``, which is a PRM if ``models.prm`` is given; see :func:`open_policy`.

    Raises:
        InputError: also where the engine runs no value models.
    """
    engine = _prepared(models.valued_by, models)
    if engine.open_value is None:
        raise InputError(f"the engine {models.valued_by} runs no value models: set models.value_engine")
    return engine.open_value(folder, models, name)


def _prepared(name: str, models: ModelSettings) -> Engine:
    engine = ENGINES[name]
    if not engine.installed:
        raise InputError(f"the {name} engine needs the package {engine.requires}: {engine.install}")
    if engine.local:
        prepare(models)
    return engine


def prepare(models: ModelSettings) -> None:
    """Set the number of CPU threads, on which results depend.

    Raises:
        InputError: torch or transformers is not installed.
    """
    _import_libraries()
    import torch

    if models.threads is not None:
        torch.set_num_threads(models.threads)


@cache
def _import_libraries() -> None:
    prepare_cpu()
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise InputError(f"the transformers engine needs torch and transformers: {error}") from None
    torch.set_num_interop_threads(1)
    freeze_libraries()
