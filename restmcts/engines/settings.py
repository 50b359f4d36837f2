"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from restmcts.aggregations import Aggregation
from restmcts.engines.registry import ENGINES, engine_settings
from restmcts.errors import InputError
from restmcts.settings import Settings

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "math-shepherd": {
        "style": "good-bad-token",
        "template": "{problem} ",
        "tag": "ки",
        "between": "\n",
        "good": "+",
        "bad": "-",
    },
    "qwen2.5-math-prm": {
        "style": "step-classifier",
        "system": "Please reason step by step, and put your final answer within \\boxed{}.",
        "tag": "<extra_0>",
    },
}
"""What the model cards of the published families say (Wang et al., arXiv 2312.08935; Zhang et al., arXiv
2501.07301): ``peiyi9979/math-shepherd-mistral-7b-prm``, ``Qwen/Qwen2.5-Math-PRM-7B`` and ``-72B``."""


PRM_ENGINE: Final = "transformers"
"""The engine that reads published process reward models."""


def _known_engine(name: str) -> str:
    """Refuse a name that the registry does not have; no engine is imported."""
    try:
        ENGINES.origin(name)
    except InputError as error:
        raise ValueError(str(error)) from None
    return name


EngineName = Annotated[str, AfterValidator(_known_engine)]
"""A name of :data:`restmcts.engines.registry.ENGINES`."""


class PrmSettings(Settings):
    """How the value model in ``models.value`` is read where it is a published process reward model (PRM).

    A PRM reads ``problem step tag between step tag between …`` in tokens of its own vocabulary, and says at
    the last token of each tag how probable it is that the step is a good one.

    Attributes:
        preset: a published family; it sets the other keys, except those that are written.
        style: ``good-bad-token``: a causal language model; the probability of the token ``good`` against
            ``bad`` as the next one after the tag. ``step-classifier``: a token classifier with two labels;
            the probability of the label ``good_label`` at the tag.
        template: the text before the first step, with ``{problem}`` in it; none: the tokenizer's chat
            template, up to the beginning of the assistant's turn.
        system: the system turn of the chat template.
        tag: the text after each step, which is stripped of space around it.
        tag_tokens: how many tokens the tag is; another number in the tokenizer is an error.
        tag_id: the id that the last token of the tag must have, if given.
        between: the text between a tag and the next step.
        good, bad: the texts of the two tokens, one token each.
        good_id, bad_id: their ids, instead of the texts; where both are given they must agree.
        good_label: the label of good steps, 0 or 1.
    """

    preset: Literal["math-shepherd", "qwen2.5-math-prm"] | None = None
    style: Literal["good-bad-token", "step-classifier"]
    template: str | None = None
    system: str | None = None
    tag: str = Field(min_length=1)
    tag_tokens: int = Field(default=1, ge=1)
    tag_id: int | None = Field(default=None, ge=0)
    between: str = ""
    good: str | None = None
    bad: str | None = None
    good_id: int | None = Field(default=None, ge=0)
    bad_id: int | None = Field(default=None, ge=0)
    good_label: Literal[0, 1] = 1

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, values: Any) -> Any:
        """Fill the keys of the preset in, so that a stored recipe says everything."""
        if not isinstance(values, dict) or not isinstance(values.get("preset"), str):
            return values
        return PRESETS.get(values["preset"], {}) | values

    @model_validator(mode="after")
    def _fits(self) -> PrmSettings:
        """Refuse what the style or the prompt has no use for, and what it lacks."""
        if self.template is not None and self.template.count("{problem}") != 1:
            raise ValueError("template must contain {problem} once")
        if self.template is not None and self.system is not None:
            raise ValueError("system belongs to the chat template; leave it or template out")
        answers = {"good": (self.good, self.good_id), "bad": (self.bad, self.bad_id)}
        for key, given in answers.items():
            if self.style == "good-bad-token" and given == (None, None):
                raise ValueError(f"{key} is missing: give the text of the {key} token, or {key}_id")
            if self.style == "step-classifier" and given != (None, None):
                raise ValueError(f"{key} and {key}_id belong to the style good-bad-token")
        return self


class VllmSettings(Settings):
    """How the ``vllm`` engine runs; policy and value model each have an engine of their own.

    Attributes:
        cache_gib: memory for keys and values of each engine, in GiB; without it 1 GiB on a CPU, and on a
            GPU what is left of ``memory_share``.
        block_size: tokens in a block of the cache. Texts share full blocks only, so that small ones suit
            trees; a multiple of 32 on a CPU.
        sequences: most sequences that are computed at once.
        partial_blocks: on a CPU, reuse blocks that are filled in part too, as copies.
        batched_tokens: most tokens in one forward pass; without it, what vLLM takes.
        tensor_parallel: GPUs over which each engine is split.
        data_parallel: copies of each engine.
        memory_share: share of a GPU's memory that each engine takes.
        logprobs: keep the log-probability of every step; with a large vocabulary on a CPU, sampling without
            them is about a tenth faster.
        logs: show what vLLM logs.
    """

    cache_gib: float | None = Field(default=None, gt=0)
    block_size: int = Field(default=32, ge=1)
    sequences: int = Field(default=256, ge=1)
    partial_blocks: bool = True
    batched_tokens: int | None = Field(default=None, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    data_parallel: int = Field(default=1, ge=1)
    memory_share: float = Field(default=0.45, gt=0, le=1)
    logprobs: bool = True
    logs: bool = False


class OpenAiSettings(Settings):
    """An OpenAI-compatible server, for models with the engine ``openai``.

    Attributes:
        base_url: its address, which often ends in /v1; none: what OPENAI_BASE_URL says, or OpenAI itself.
        api_key_variable: the name of the environment variable that holds the key. Keys come from the
            environment only; they are neither stored nor shown.
        api: ``completions``, ``chat``, or ``auto``: completions where the server has them.
        concurrency: requests in flight, for the policy and for the value model.
        timeout: seconds without a reply after which a request is tried again.
        retries: how often a request is tried again before its search fails.
        context: tokens that the model reads; none: what the server says, otherwise 4096. The smaller one of
            what is given and what the server says counts.
        seeds: send a seed with every request, so that servers that heed it repeat themselves.
        template: the prompt, with ``{problem}`` and ``{instruction}``; none: one for completions, and the
            user's turn of a chat.
        instruction: what the model is told to do with a problem; "" for nothing.
        value_samples: how many grades of a prompted value model are averaged for one value.
    """

    base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    api: Literal["auto", "completions", "chat"] = "auto"
    concurrency: int = Field(default=32, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=5, ge=0)
    context: int | None = Field(default=None, ge=1)
    seeds: bool = True
    template: str | None = None
    instruction: str | None = None
    value_samples: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _holds_no_secret(self) -> OpenAiSettings:
        """Recipes are stored and shown: refuse what looks like a key, without repeating it."""
        if not (self.api_key_variable.isidentifier() and self.api_key_variable.isascii()):
            raise ValueError("api_key_variable is the name of an environment variable, not the key itself")
        if self.base_url is not None:
            parts = urlsplit(self.base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("base_url must look like http://127.0.0.1:8000/v1")
            if parts.username or parts.password or parts.query:
                raise ValueError("base_url must hold no user name, password or query: keys are not stored")
        return self


class ModelSettings(Settings):
    """Which models, and what runs them.

    Attributes:
        policy: folder of the base policy, or its name on the server; not given for a recipe with
            ``[tiny]``, which trains its own.
        value: folder of a value model to start with, or the name of a model on the server that is asked
            for values; without one, the bootstrap trains it from the policy, or the policy itself is asked.
        prm: how the folder ``value`` is read where it holds a published process reward model; none: it
            holds a regression model as it is trained here.
        value_aggregation: how the value of a partial solution follows from what the value model says at
            the end of each of its steps: the ``last`` one, the ``minimum``, the ``product`` or the
            ``mean``.
        engine: the engine of the policy: ``transformers``, ``vllm``, which is faster and not reproducible,
            ``openai`` for a model on a server, or an engine of another distribution.
        value_engine: the engine of the value model; none: as ``engine``, and ``transformers`` for a published
            process reward model. With ``openai`` a language model is asked for values.
        critic: the self-critic: by ``rule``, or ``prompted``: the policy is asked, and may give advice for
            the next step.
        device: ``auto`` takes the GPU where there is one.
        dtype: the type that the engines compute in.
        threads: CPU threads of torch; results are equal only for equal numbers of threads.
        batch: most sequences in one forward pass of ``transformers``.
        cache_tokens: tokens whose keys and values ``transformers`` keeps for their children.
        reproducible: with ``transformers`` on a CPU in float32, results do not depend on what else is in
            the batch.
        vllm: settings of the engine ``vllm`` alone.
        openai: settings of the engine ``openai`` alone.
        settings: settings of engines of other distributions, a table for each engine by its name.
    """

    policy: str | None = None
    value: str | None = None
    prm: PrmSettings | None = None
    value_aggregation: Aggregation = "last"
    engine: EngineName = "transformers"
    value_engine: EngineName | None = None
    critic: Literal["rule", "prompted"] = "rule"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    cache_tokens: int = Field(default=65536, ge=1)
    reproducible: bool = True
    vllm: VllmSettings = VllmSettings()
    openai: OpenAiSettings = OpenAiSettings()
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

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
