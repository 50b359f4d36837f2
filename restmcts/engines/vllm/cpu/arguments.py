"""Arguments of vLLM that differ on a CPU."""

from __future__ import annotations

from typing import Any, Final

from restmcts.engines.settings import VllmSettings

CACHE_BYTES: Final = 2**30
"""The memory for keys and values, unless the settings say another size."""

SCHEDULER: Final = "restmcts.engines.vllm.cpu.tree_scheduler.TreeScheduler"


def for_a_cpu(arguments: dict[str, Any], settings: VllmSettings) -> dict[str, Any]:
    """The arguments of vLLM's ``EngineArgs``, changed for a CPU."""
    arguments = {
        **arguments,
        "kv_cache_memory_bytes": arguments["kv_cache_memory_bytes"] or CACHE_BYTES,
        # On a CPU compiling takes a minute and gains nothing.
        "enforce_eager": True,
        "scheduler_cls": SCHEDULER if settings.partial_blocks else None,
    }
    return {**arguments, **_whole_prompts(arguments)} if arguments["runner"] == "generate" else arguments


def _whole_prompts(arguments: dict[str, Any]) -> dict[str, Any]:
    """Read a prompt in one forward pass.

    vLLM turns the random numbers of a sequence back after a part of its prompt. Those of a CPU cannot be
    turned back.
    """
    from vllm.engine.arg_utils import EngineArgs

    longest = EngineArgs(**arguments).create_model_config().max_model_len
    batched = max(longest, arguments["max_num_batched_tokens"] or 2048)
    return {"enable_chunked_prefill": False, "max_num_batched_tokens": batched}
