"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.settings import Settings


class VllmSettings(Settings):
    """How the ``vllm`` engine runs; policy and value model each have an engine of their own.

    Attributes:
        cache_gib: memory for keys and values of each engine, in GiB; without it 1 GiB on a CPU, and on a
            GPU what is left of ``memory_share``.
        block_size: tokens in a block of the cache. Only full blocks are reused, so that small ones suit
            trees; a multiple of 32 on a CPU.
        sequences: most sequences that are computed at once.
        batched_tokens: most tokens in one forward pass; without it, what vLLM takes.
        tensor_parallel: GPUs over which each engine is split.
        data_parallel: copies of each engine.
        memory_share: share of a GPU's memory that each engine takes.
        logs: show what vLLM logs.
    """

    cache_gib: float | None = Field(default=None, gt=0)
    block_size: int = Field(default=32, ge=1)
    sequences: int = Field(default=256, ge=1)
    batched_tokens: int | None = Field(default=None, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    data_parallel: int = Field(default=1, ge=1)
    memory_share: float = Field(default=0.45, gt=0, le=1)
    logs: bool = False


class ModelSettings(Settings):
    """Which models, and what runs them.

    Attributes:
        policy: folder of the base policy; not given for a recipe with ``[tiny]``, which trains its own.
        value: folder of a value model to start with; without one, the bootstrap trains it from the
            policy.
        value_aggregation: how the value of a partial solution follows from what the value model says at
            the end of each of its steps: the ``last`` one, the ``minimum`` or the ``product``.
        engine: what runs the models: ``transformers``, or ``vllm``, which is faster and not reproducible.
        device: ``auto`` takes the GPU where there is one.
        dtype: the type that the engines compute in.
        threads: CPU threads of torch; results are equal only for equal numbers of threads.
        batch: most sequences in one forward pass of ``transformers``.
        cache_tokens: tokens whose keys and values ``transformers`` keeps for their children.
        reproducible: with ``transformers`` on a CPU in float32, results do not depend on what else is in
            the batch.
        vllm: what only the ``vllm`` engine heeds.
    """

    policy: str | None = None
    value: str | None = None
    value_aggregation: Literal["last", "minimum", "product"] = "last"
    engine: Literal["transformers", "vllm"] = "transformers"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    cache_tokens: int = Field(default=65536, ge=1)
    reproducible: bool = True
    vllm: VllmSettings = VllmSettings()
