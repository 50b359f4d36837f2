"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from restmcts.settings import Settings


class ModelSettings(Settings):
    """Which models, and what runs them.

    Attributes:
        policy: folder of the base policy; not given for a recipe with ``[tiny]``, which trains its own.
        value: folder of a value model to start with; without one, the bootstrap trains it from the
            policy.
        value_aggregation: how the value of a partial solution follows from what the value model says at
            the end of each of its steps: the ``last`` one, the ``minimum`` or the ``product``.
        engine: what runs the models.
        device: ``auto`` takes the GPU where there is one.
        dtype: the type that the engines compute in.
        threads: CPU threads of torch; results are equal only for equal numbers of threads.
        batch: most sequences in one forward pass.
        cache_tokens: tokens whose keys and values are kept for their children.
        reproducible: on a CPU in float32, results do not depend on what else is in the batch.
    """

    policy: str | None = None
    value: str | None = None
    value_aggregation: Literal["last", "minimum", "product"] = "last"
    engine: Literal["transformers"] = "transformers"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    cache_tokens: int = Field(default=65536, ge=1)
    reproducible: bool = True
