"""Opens the engine that the settings name, importing it only then."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from restmcts.engines.base import Policy, ValueModel
from restmcts.engines.cpu import freeze_libraries, prepare_cpu
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError


def open_policy(folder: Path, models: ModelSettings, *, name: str) -> Policy:
    """The policy in ``folder``, ready to use; ``name`` is what stored searches call it.

    The engine ``openai`` needs no folder: ``name`` is the model's name on the server.

    Raises:
        InputError: the folder holds no usable policy, or the engine is not installed.
        EngineError: the server cannot be reached.
    """
    if models.engine == "openai":
        return _open_hosted(models, name)
    prepare(models)
    if models.engine == "vllm":
        from restmcts.engines.vllm.policy import VllmPolicy

        return VllmPolicy(folder, models, name=name)
    from restmcts.engines.transformers.policy import TransformersPolicy

    return TransformersPolicy(
        folder,
        device=models.device,
        dtype=models.dtype,
        name=name,
        max_batch=models.batch,
        cache_tokens=models.cache_tokens,
        reproducible=models.reproducible,
    )


def open_value(folder: Path, models: ModelSettings, *, name: str) -> ValueModel:
    """The value model in ``folder``, a PRM where ``models.prm`` says so, ready to use.

    The engine ``openai`` asks the model that is called ``name`` on the server; see :func:`open_policy`.
    """
    if models.valued_by == "openai":
        from restmcts.engines.prompted.value import PromptedValueModel

        return PromptedValueModel(_open_hosted(models, name), models.openai.value_samples)
    prepare(models)
    if models.valued_by == "vllm":
        from restmcts.engines.vllm.value import VllmValueModel

        return VllmValueModel(folder, models, name=name)
    options: dict[str, Any] = {
        "device": models.device,
        "dtype": models.dtype,
        "name": name,
        "cache_tokens": models.cache_tokens,
        "reproducible": models.reproducible,
    }
    if models.prm is not None:
        from restmcts.engines.transformers.prm import TransformersPrm

        return TransformersPrm(folder, models.prm, **options)
    from restmcts.engines.transformers.value import TransformersValueModel

    return TransformersValueModel(folder, **options)


def _open_hosted(models: ModelSettings, name: str) -> Policy:
    try:
        import openai  # noqa: F401
    except ImportError:
        raise InputError('the openai engine needs a package: pip install "restmcts[openai]"') from None
    from restmcts.engines.openai.policy import OpenAiPolicy

    return OpenAiPolicy(name, models.openai)


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
