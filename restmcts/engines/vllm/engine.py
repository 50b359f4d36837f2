"""Makes an engine of vLLM as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats
from restmcts.engines.messages import first_line
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.async_engine import OutsideEngine
from restmcts.engines.vllm.outputs import Allowance
from restmcts.engines.vllm.process import prepare_vllm, runs_on_cpu
from restmcts.errors import InputError

GIB: Final = 2**30


class VllmEngine(Protocol):
    """What policy and value model need of vLLM, wherever it runs."""

    context: int
    """The longest prompt and continuation together, in tokens, for which there is a cache."""

    counts_tokens: bool
    """Whether tokens are counted here as they come, so that requests may have an allowance."""

    async def run(self, prompt: Tokens, parameters: Any, allowance: Allowance | None = None) -> Any:
        """The result of a request; the outputs of vLLM, or the samples drawn."""
        ...

    def stats(self) -> EngineStats: ...

    def close(self) -> None: ...


def open_engine(
    folder: Path,
    models: ModelSettings,
    *,
    runner: Literal["generate", "pooling"],
    name: str,
    outside: bool | None = None,
) -> VllmEngine:
    """Start vLLM for a model folder.

    On a CPU it runs in this process, which saves the start of another one and messages between the two; on
    GPUs, or split over several, in processes of its own. ``outside`` decides otherwise.

    Raises:
        InputError: vLLM is not installed, or cannot run this model on this machine.
    """
    prepare_vllm(models)
    cpu = runs_on_cpu(models)
    settings = models.vllm
    if outside is None:
        outside = not cpu or settings.tensor_parallel * settings.data_parallel > 1

    def make() -> Any:
        arguments = engine_arguments(folder, models, runner=runner, cpu=cpu)
        if outside:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM

            return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        return LLMEngine.from_engine_args(EngineArgs(**arguments))

    try:
        pooling = runner == "pooling"
        if outside:
            return OutsideEngine(make, models, name, pooling=pooling)
        return _open_inside(make, models, name, pooling=pooling)
    except Exception as error:  # vLLM raises what its parts raise, of any kind
        raise InputError(
            f"{folder}: vLLM cannot run this model: {first_line(error)}"
            " (models.vllm.logs = true shows what it logs)"
        ) from error


def _open_inside(make: Callable[[], Any], models: ModelSettings, name: str, *, pooling: bool) -> VllmEngine:
    """An engine in this process, as on a CPU."""
    from restmcts.engines.vllm.cpu.in_process import InsideEngine, VllmCore
    from restmcts.engines.vllm.cpu.sampling import DrawingCore

    core = (VllmCore if pooling else DrawingCore)(make, models, name)
    return InsideEngine(core, scores=pooling)


def engine_arguments(folder: Path, models: ModelSettings, *, runner: str, cpu: bool) -> dict[str, Any]:
    """The arguments of vLLM's ``EngineArgs``."""
    settings = models.vllm
    arguments = {
        "model": str(folder),
        "runner": runner,
        "trust_remote_code": False,
        "load_format": "safetensors",
        # Prompts and results are token ids.
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "dtype": models.dtype,
        # As long as the model can and the cache has room for.
        "max_model_len": -1,
        "max_num_seqs": settings.sequences,
        "max_num_batched_tokens": settings.batched_tokens,
        "block_size": settings.block_size,
        "enable_prefix_caching": True,
        "kv_cache_memory_bytes": None if settings.cache_gib is None else int(settings.cache_gib * GIB),
        "gpu_memory_utilization": settings.memory_share,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": settings.data_parallel,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
    }
    if not cpu:
        return arguments
    from restmcts.engines.vllm.cpu.arguments import for_a_cpu

    return for_a_cpu(arguments, settings)
