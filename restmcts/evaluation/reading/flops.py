"""Floating-point operations of a search, estimated from the configurations of its models.

A token costs two operations for each parameter that it is multiplied with ("Scaling Laws for Neural Language
Models", Kaplan et al., arXiv 2001.08361, Section 2.1). Those are the matrices of the transformer blocks, and
for a token that is generated also the matrix that gives the logits. Embeddings are looked up and do not
count, nor do norms, biases and the products of attention, which grow with the length of the prompt. Every
token of a prompt counts each time it is read, as if nothing were cached. So the figure compares methods; it
does not say how busy a device is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from restmcts.evaluation.reading.budgets import Axis

KEY: Final = "flops"
"""The setting of a stored search that holds what a token costs."""

_GATED: Final = {
    "cohere", "gemma", "gemma2", "gemma3_text", "granite", "internlm2", "llama", "mistral", "olmo", "olmo2",
    "phi3", "qwen2", "qwen3", "smollm3", "stablelm",
}  # fmt: skip
"""Kinds of models whose feed-forward layers have three matrices."""

_PLAIN: Final = {"gpt2", "gpt_bigcode", "gpt_neox", "gptj", "opt", "phi", "starcoder2"}
"""Kinds of models whose feed-forward layers have two."""

_NAMES: Final = {
    "hidden_size": ("hidden_size", "n_embd"),
    "layers": ("num_hidden_layers", "n_layer"),
    "heads": ("num_attention_heads", "n_head"),
}


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Parameters that a token is multiplied with: when it is read, and in addition when it is generated."""

    blocks: int
    logits: int

    @property
    def read(self) -> int:
        """Operations for a token that is read."""
        return 2 * self.blocks

    @property
    def generated(self) -> int:
        """Operations for a token that is generated."""
        return 2 * (self.blocks + self.logits)


def model_size(config: Mapping[str, Any]) -> ModelSize | None:
    """The size of a model from its ``config.json``; None for a kind of model that is not known here."""
    kind = config.get("model_type")
    if kind not in _GATED | _PLAIN:
        return None
    hidden, layers, heads = (_whole(config, *names) for names in _NAMES.values())
    vocabulary = _whole(config, "vocab_size")
    if not (hidden and layers and heads and vocabulary):
        return None
    width = _whole(config, "head_dim") or hidden // heads
    key_heads = _whole(config, "num_key_value_heads") or heads
    attention = hidden * width * (2 * heads + 2 * key_heads)
    inner = _whole(config, "intermediate_size", "n_inner", "ffn_dim") or 4 * hidden
    feed_forward = (3 if kind in _GATED else 2) * hidden * inner
    return ModelSize(layers * (attention + feed_forward), hidden * vocabulary)


def _whole(config: Mapping[str, Any], *names: str) -> int | None:
    """The first of several keys that holds a number of 1 to 2**40."""
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and 0 < value <= 2**40), None)


def token_costs(policy: ModelSize | None, value: ModelSize | None, *, valued: bool) -> Axis | None:
    """Operations for each token of a search; None where the size of a model is not known.

    Args:
        policy: the size of the policy, which is its own critic where one is asked.
        value: the size of the value model, which reads and does not generate.
        valued: whether there is a value model.
    """
    if policy is None or (valued and value is None):
        return None
    return Axis(
        policy=policy.generated,
        critic=policy.generated,
        prompt=policy.read,
        value=0 if value is None else value.read,
    )


def flops_setting(axis: Axis | None) -> dict[str, Any]:
    """The setting of a search that says what a token costs; nothing where that is not known."""
    if axis is None:
        return {}
    return {KEY: {"policy": axis.policy, "critic": axis.critic, "prompt": axis.prompt, "value": axis.value}}


def flops_axis(settings: Mapping[str, Any]) -> Axis | None:
    """What a token costs by the settings of a stored search; None where it does not say so."""
    values = settings.get(KEY)
    names = ("policy", "critic", "prompt", "value")
    if not isinstance(values, Mapping) or not all(type(values.get(name)) is int for name in names):
        return None
    return Axis(**{name: max(0, values[name]) for name in names})
