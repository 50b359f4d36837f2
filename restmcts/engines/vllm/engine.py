"""Makes an engine of vLLM as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Protocol

from restmcts.engines.base import Tokens
from restmcts.engines.batching import EngineStats
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.async_engine import OutsideEngine
from restmcts.engines.vllm.cpu.in_process import InsideEngine, VllmCore
from restmcts.engines.vllm.cpu.process import prepare_vllm, runs_on_cpu
from restmcts.engines.vllm.cpu.requests import Allowance
from restmcts.engines.vllm.cpu.sampling import DrawingCore
from restmcts.errors import EngineError, InputError

GIB: Final = 2**30

SCHEDULER: Final = "restmcts.engines.vllm.cpu.tree_scheduler.TreeScheduler"


class VllmEngine(Protocol):
    """What policy and value model need of vLLM, wherever it runs."""

    context: int
    """The longest prompt and continuation together, in tokens, for which there is a cache."""

    counts_tokens: bool
    """Whether tokens are counted here as they come, so that requests may have an allowance."""

    async def run(self, prompt: Tokens, parameters: Any, allowance: Allowance | None = None) -> Any:
        """The result of a request; see :class:`restmcts.engines.vllm.cpu.requests.Request`."""
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
        core = (VllmCore if pooling else DrawingCore)(make, models, name)
        return InsideEngine(core, scores=pooling)
    except Exception as error:  # vLLM raises what its parts raise, of any kind
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{folder}: vLLM cannot run this model: {lines[0]} (models.vllm.logs = true shows what it logs)"
        ) from error


def engine_arguments(folder: Path, models: ModelSettings, *, runner: str, cpu: bool) -> dict[str, Any]:
    """The arguments of vLLM's ``EngineArgs``."""
    settings = models.vllm
    cache = settings.cache_gib or (1.0 if cpu else None)
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
        "kv_cache_memory_bytes": None if cache is None else int(cache * GIB),
        "gpu_memory_utilization": settings.memory_share,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": settings.data_parallel,
        # On a CPU compiling takes a minute and gains nothing.
        "enforce_eager": cpu,
        "scheduler_cls": SCHEDULER if cpu and settings.partial_blocks else None,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
    }
    return {**arguments, **_whole_prompts(arguments)} if cpu and runner == "generate" else arguments


def _whole_prompts(arguments: dict[str, Any]) -> dict[str, Any]:
    """Read a prompt in one forward pass or not yet.

    vLLM turns the random numbers of a sequence back after a part of its prompt, which those of a CPU cannot.
    """
    from vllm.engine.arg_utils import EngineArgs

    longest = EngineArgs(**arguments).create_model_config().max_model_len
    batched = max(longest, arguments["max_num_batched_tokens"] or 2048)
    return {"enable_chunked_prefill": False, "max_num_batched_tokens": batched}


def check_tokens(prompt: Tokens, vocabulary: int, name: str) -> None:
    """Refuse what would end vLLM, not this request alone.

    Raises:
        EngineError: a token id that the model does not have.
    """
    if max(prompt) >= vocabulary:
        raise EngineError(
            f"{name}: the prompt has token {max(prompt)}, the model's vocabulary ends at {vocabulary - 1}"
        )
