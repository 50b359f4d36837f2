"""Which models run, and on what; importing it imports no engine."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, model_validator

from restmcts.aggregations import Aggregation
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
        prm: how the folder ``value`` is read where it holds a published process reward model; none: it
            holds a regression model as it is trained here.
        value_aggregation: how the value of a partial solution follows from what the value model says at
            the end of each of its steps: the ``last`` one, the ``minimum``, the ``product`` or the
            ``mean``.
        engine: what runs the models: ``transformers``, or ``vllm``, which is faster and not reproducible; a
            published process reward model always runs on ``transformers``.
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
    prm: PrmSettings | None = None
    value_aggregation: Aggregation = "last"
    engine: Literal["transformers", "vllm"] = "transformers"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = Field(default=None, ge=1)
    batch: int = Field(default=256, ge=1)
    cache_tokens: int = Field(default=65536, ge=1)
    reproducible: bool = True
    vllm: VllmSettings = VllmSettings()

    @model_validator(mode="after")
    def _has_a_prm(self) -> ModelSettings:
        if self.prm is not None and self.value is None:
            raise ValueError("prm says how to read the value model, but value is missing: name its folder")
        return self
