"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from restmcts.aggregations import Aggregation
from restmcts.engines.prm_settings import PRM_ENGINE, PrmSettings
from restmcts.engines.registry import ENGINES, engine_settings
from restmcts.engines.server_settings import JsonTable, OpenAiSettings, PoolingSettings
from restmcts.errors import InputError
from restmcts.prompts import reserved_arguments
from restmcts.settings import Settings


def _known_engine(name: str) -> str:
    """Refuse a name that the registry does not have; no engine is imported."""
    try:
        ENGINES.origin(name)
    except InputError as error:
        raise ValueError(str(error)) from None
    return name


EngineName = Annotated[str, AfterValidator(_known_engine)]
"""A name of :data:`restmcts.engines.registry.ENGINES`."""


class VllmSettings(Settings):
    """How the engine `vllm` runs."""

    cache_gib: float | None = Field(
        default=None,
        gt=0,
        description=(
            "memory for keys and values of each engine, in GiB; none: 1 GiB on a CPU, on a GPU what is left"
            " of `memory_share`"
        ),
    )
    block_size: int = Field(
        default=32,
        ge=1,
        description=(
            "tokens in a block of the cache. Texts share only full blocks, so small blocks suit trees; a"
            " multiple of 32 on a CPU"
        ),
    )
    sequences: int = Field(default=256, ge=1, description="most sequences that are computed at once")
    partial_blocks: bool = Field(
        default=True,
        description="on a CPU, reuse partly filled blocks too, as copies",
    )
    batched_tokens: int | None = Field(
        default=None,
        ge=1,
        description="most tokens in one forward pass; none: the default of vLLM",
    )
    tensor_parallel: int = Field(
        default=1,
        ge=1,
        description="number of GPUs over which each engine is split",
    )
    data_parallel: int = Field(default=1, ge=1, description="number of copies of each engine")
    memory_share: float = Field(
        default=0.45,
        gt=0,
        le=1,
        description=(
            "share of a GPU's memory that each engine takes; policy and value model have an engine each"
        ),
    )
    logprobs: bool = Field(
        default=True,
        description=(
            "keep the log-probability of every step, which value reports compare with. With a large"
            " vocabulary on a CPU, sampling without them is about a tenth faster"
        ),
    )
    logs: bool = Field(default=False, description="show the logs of vLLM")


class ModelSettings(Settings):
    """Which models, and what runs them."""

    policy: str | None = Field(
        default=None,
        description=(
            "folder of the base policy, or its name on the server; required unless the data set makes its"
            " own (`tiny`)"
        ),
    )
    value: str | None = Field(
        default=None,
        description=(
            "folder of a value model to start with, or the name of a model on the server that is asked for"
            " values; none: the bootstrap trains one, or the policy on the server is asked"
        ),
    )
    prm: PrmSettings | None = Field(
        default=None,
        description="how a published process reward model in `value` is read",
    )
    value_aggregation: Aggregation = Field(
        default="last",
        description="how the value of a partial solution follows from the values at the ends of its steps",
    )
    engine: EngineName = Field(
        default="transformers",
        description=(
            "the engine of the policy: `transformers`, `vllm` (faster, not reproducible), `openai` (a model"
            " on a server), or an engine of another distribution"
        ),
    )
    value_engine: EngineName | None = Field(
        default=None,
        description=(
            "the engine of the value model; none: as `engine`. A published process reward model"
            " (`models.prm`) always runs on `transformers`. With `openai`, a language model is asked for"
            " values; with `pooling`, the value model in the folder `value` is on vLLM's servers"
        ),
    )
    critic: Literal["rule", "prompted"] = Field(
        default="rule",
        description=(
            "the self-critic: by `rule`, or `prompted`: the policy is asked whether a solution is complete,"
            " and may give advice for the next step"
        ),
    )
    chat_template_arguments: JsonTable = Field(
        default_factory=dict,
        description=(
            "arguments of the model's chat template, for example `{ enable_thinking = false }`; on a server"
            " they are sent as `chat_template_kwargs`, which vLLM, SGLang and llama.cpp read"
        ),
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="auto",
        description="`auto` takes the GPU if there is one",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="type that the engines compute in",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description=(
            "CPU threads of torch; none: the default of torch. Results are equal only for equal numbers of"
            " threads"
        ),
    )
    batch: int = Field(default=256, ge=1, description="most sequences in one forward pass of `transformers`")
    cache_tokens: int = Field(
        default=65536,
        ge=1,
        description=(
            "tokens whose keys and values `transformers` keeps, so that a child does not compute its parent"
            " again"
        ),
    )
    reproducible: bool = Field(
        default=True,
        description=(
            "with `transformers` on a CPU in float32, results do not depend on what else is in the batch"
        ),
    )
    vllm: VllmSettings = VllmSettings()
    openai: OpenAiSettings = OpenAiSettings()
    pooling: PoolingSettings = PoolingSettings()
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="settings of engines of other distributions, a table for each engine by its name",
    )

    @field_validator("chat_template_arguments")
    @classmethod
    def _leaves_prompts_alone(cls, table: dict[str, Any]) -> dict[str, Any]:
        if taken := reserved_arguments(table):
            raise ValueError(f"{taken} is set by restmcts itself: leave it out")
        return table

    @model_validator(mode="after")
    def _says_arguments_once(self) -> ModelSettings:
        if self.chat_template_arguments and "chat_template_kwargs" in self.openai.extra_body:
            raise ValueError(
                "chat_template_arguments are sent as chat_template_kwargs: leave that key out of"
                " openai.extra_body"
            )
        return self

    @model_validator(mode="after")
    def _has_a_prm(self) -> ModelSettings:
        if self.prm is not None and self.value is None:
            raise ValueError("prm says how to read the value model, but value is missing: name its folder")
        if self.prm is not None and self.value_engine not in (None, PRM_ENGINE):
            raise ValueError(f"prm is read by the engine {PRM_ENGINE}: leave value_engine out")
        return self

    @model_validator(mode="after")
    def _fits_the_engines(self) -> ModelSettings:
        """Check the settings of engines of other distributions."""
        try:
            for name, values in self.settings.items():
                engine_settings(name, values)
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def of_engine(self, name: str) -> Settings | None:
        """The complete settings of an engine of another distribution; None for an engine without settings."""
        return engine_settings(name, self.settings.get(name, {}))

    @property
    def valued_by(self) -> str:
        """The name of the engine of the value model."""
        if self.prm is not None:
            return PRM_ENGINE
        return self.value_engine or self.engine

    @property
    def policy_name(self) -> str | None:
        """The base policy as runs call it: an absolute folder, or its name on the server."""
        return _name(self.policy, self.engine)

    @property
    def value_name(self) -> str | None:
        """The value model to start with, likewise; a policy on a server is its own unless one is named."""
        if self.value is None and self.valued_by == self.engine and ENGINES[self.engine].values_itself:
            return self.policy_name
        return _name(self.value, self.valued_by)


def _name(model: str | None, engine: str) -> str | None:
    return str(Path(model).resolve()) if model is not None and ENGINES[engine].local else model
