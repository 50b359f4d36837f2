"""Loaded models, looked at before they compute: weights that fit, are numbers, and can be saved again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open

from restmcts.engines.examination import weight_files
from restmcts.engines.messages import first_line
from restmcts.errors import InputError

_HARMLESS: Final = re.compile(
    r"""
    rotary_emb\.inv_freq$ | \.masked_bias$ | \.attn\.bias$ | \.attention\.bias$   # computed, not learned
    | ^lm_head\.weight$                                                           # tied to the embeddings
    | (^|\.)mtp\.                                                                 # predicts tokens further on
    | vision | visual | audio | multi_modal | mm_projector                        # pictures and sound
    """,
    re.VERBOSE,
)
"""Weights that a model of next tokens does not use and need not have."""

FAMILIES: Final = frozenset({"gpt2", "llama", "mistral", "qwen2"})
"""Families of models whose numbers the tests compare with those of transformers."""

_NUMBERS: Final = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def check_complete(report: Mapping[str, Any], folder: Path) -> None:
    """Refuse a folder whose weights are not those of its model, by what transformers reports about loading.

    Raises:
        InputError: weights are missing, or left over.
    """
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            f"{folder}: the weights lack {missing[0]}{_more(missing)}; is it another kind of model?"
        )
    check_all_used(report, folder)


def check_all_used(report: Mapping[str, Any], folder: Path, *, within: str = "") -> None:
    """Refuse weights that the model leaves out, which would compute something else without them.

    ``within``: how the names of those begin that count; others are of a head that is to be replaced.

    Raises:
        InputError: there are such weights.
    """
    names = [name for name in report["unexpected_keys"] if name.startswith(within)]
    left = sorted(name for name in names if not _HARMLESS.search(name))
    if left:
        raise InputError(
            f"{folder}: the model has no place for the weights {left[0]}{_more(left)}, and would compute"
            " something else without them; is it another kind of model, or an adapter that is not merged?"
        )


def check_finite(model: Any, folder: Path) -> None:
    """Refuse weights that are not numbers.

    Raises:
        InputError: names the first tensor with such a weight.
    """
    with torch.inference_mode():
        for name, weights in model.named_parameters():
            _expect_numbers(weights, name, folder)


def check_finite_files(folder: Path) -> None:
    """The same for weights that another library loads; reads all of them once.

    Raises:
        InputError: names the first tensor with such a weight.
    """
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - a file is no mapping
                _expect_numbers(file.get_tensor(name), name, folder)


def _expect_numbers(weights: torch.Tensor, name: str, folder: Path) -> None:
    if weights.dtype not in _NUMBERS or not weights.numel():
        return
    if not all(map(torch.isfinite, weights.aminmax())):
        raise InputError(
            f"{folder}: the weights {name} hold something that is not a number; the model is broken"
        )


def check_vocabulary(model: Any, tokenizer: Any, folder: Path) -> None:
    """Refuse a tokenizer with tokens that the model has no embeddings for.

    Raises:
        InputError: that is so.
    """
    size = int(model.get_input_embeddings().weight.shape[0])
    token, highest = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if highest >= size:
        raise InputError(
            f"{folder}: the tokenizer has tokens up to {highest} ({token!r}), the model embeddings for"
            f" {size}; resize the embeddings and save the model again, or take its own tokenizer"
        )


def some_tokens(model: Any) -> torch.Tensor:
    """Twelve token ids of the model, far apart, on its device."""
    size = int(model.get_input_embeddings().weight.shape[0])
    return torch.tensor([(1 + place * 2654435761) % size for place in range(12)], device=model.device)


def check_causal(model: Any, folder: Path) -> None:
    """Refuse a model that reads what comes after a token: an encoder, which cannot be trained to write.

    Raises:
        InputError: the states before a token depend on it, or the model cannot read tokens alone.
    """
    if model.config.get_text_config().model_type in FAMILIES:
        return
    tokens = some_tokens(model)
    others = torch.cat([tokens[:-1], tokens[:1]])
    try:
        with torch.inference_mode():
            output = model.base_model(input_ids=torch.stack([tokens, others]), use_cache=False)
        before, after = output.last_hidden_state[:, :-1].float()
    except Exception as error:  # the code of a family may want anything
        raise InputError(
            f"{folder}: cannot read plain text: {first_line(error)}; use another model"
        ) from error
    if not (before - after).abs().max() <= 1e-3 * before.abs().max():
        raise InputError(
            f"{folder}: a model of the family {model.config.model_type} reads what comes after a token: it is"
            " no decoder; take a causal language model"
        )


def mend_generation(model: Any) -> None:
    """Make generation settings that could not be saved ones that can.

    Old models have sampling values beside greedy decoding. What is used here is kept: the tokens that begin
    and end a text.
    """
    from transformers import GenerationConfig

    old = getattr(model, "generation_config", None)
    if old is None:
        return
    try:
        old.validate(strict=True)
    except ValueError:
        model.generation_config = GenerationConfig(
            bos_token_id=old.bos_token_id, eos_token_id=old.eos_token_id, pad_token_id=old.pad_token_id
        )


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
