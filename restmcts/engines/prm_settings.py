"""How a published process reward model is read; importing it imports no engine."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, model_validator

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


class PrmSettings(Settings):
    """How the value model in `models.value` is read if it is a published process reward model (PRM).

    Without this table, `models.value` holds a regression model as it is trained here. A PRM reads
    `problem step tag between step tag between …` in tokens of its own vocabulary; the value of a step is the
    probability that the step is good. `restmcts iterate` refuses a PRM, because it is not trained further.
    The guide has [examples](guide.md#a-published-process-reward-model).
    """

    preset: Literal["math-shepherd", "qwen2.5-math-prm"] | None = Field(
        default=None,
        description=(
            "a published family, which sets the other keys, except those that are written: `math-shepherd`"
            " or `qwen2.5-math-prm`"
        ),
    )
    style: Literal["good-bad-token", "step-classifier"] = Field(
        description=(
            "`good-bad-token`: a causal language model; the value is the probability of the token `good`"
            " against `bad` as the next token after the tag. `step-classifier`: a token classifier with two"
            " labels, read at the tag. A preset sets it"
        ),
    )
    template: str | None = Field(
        default=None,
        description=(
            "the text before the first step, with `{problem}` in it; none: the tokenizer's chat template, up"
            " to the beginning of the assistant's turn"
        ),
    )
    system: str | None = Field(default=None, description="the system turn of the chat template")
    tag: str = Field(
        min_length=1,
        description=(
            "the text after each step; a step is stripped of space around it. The value is read at the last"
            " token of the tag. A preset sets it"
        ),
    )
    tag_tokens: int = Field(
        default=1,
        ge=1,
        description="number of tokens of the tag; another number in the tokenizer of the folder is an error",
    )
    tag_id: int | None = Field(
        default=None,
        ge=0,
        description="the id of the last token of the tag; another id is an error",
    )
    between: str = Field(default="", description="the text between a tag and the next step")
    good: str | None = Field(
        default=None,
        description=(
            "the text of the token for a good step: one token, encoded alone. With `good-bad-token`, this or"
            " `good_id` is required"
        ),
    )
    bad: str | None = Field(
        default=None,
        description="the text of the token for a bad step; this or `bad_id` is required likewise",
    )
    good_id: int | None = Field(
        default=None,
        ge=0,
        description="the id of the token for a good step; if text and id are given, they must agree",
    )
    bad_id: int | None = Field(default=None, ge=0, description="the id of the token for a bad step, likewise")
    good_label: Literal[0, 1] = Field(
        default=1,
        description="with `step-classifier`: the label of good steps",
    )

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
