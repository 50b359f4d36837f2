"""Small models with random weights, to measure engines where no other model is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from restmcts.demo.task import TinyTask
from restmcts.demo.tokenizer import tiny_tokenizer
from restmcts.engines.messages import quiet
from restmcts.prompts import PLAIN_TEMPLATE, PromptFormat, save_format
from restmcts.training.checkpoint import save
from restmcts.training.values.model import value_model

CONTEXT = 2048


def write_random_policy(folder: Path, *, width: int = 256, layers: int = 6) -> None:
    """Write a Llama of about 6 million weights with the tokenizer of the built-in task.

    ``width`` is a multiple of 32; heads have 32 dimensions, so that every engine can serve it.
    """
    tokenizer: Any = tiny_tokenizer(TinyTask())
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 32,
        "head_dim": 32,
        "max_position_embeddings": CONTEXT,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto: Any = AutoModelForCausalLM
        model = auto.from_config(LlamaConfig(bos_token_id=None, **sizes))
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_format(folder, PromptFormat(template=PLAIN_TEMPLATE))


def write_untrained_value(policy: Path, folder: Path, dtype: str) -> None:
    """Write a value model with the weights of the policy in the folder ``policy`` and an untrained head."""
    folder.mkdir(parents=True, exist_ok=True)
    save(value_model(policy), folder, policy, dtype)
