"""Tiny random models and tokenizers for the tests of the engines."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

END = 2
NEWLINE = 4
CONTEXT = 160
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "\n", " ", "+", "=", *(str(number) for number in range(52))]
VOCABULARY = len(WORDS)


def word_tokenizer() -> Any:
    """One token a word; the newline is a token of its own (id 4)."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n| |[^\s]+"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return _wrap(tokenizer)


def merging_tokenizer() -> Any:
    """Byte pairs that merge newlines with what stands before them, such as ".\\n" and "\\n\\n"."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline = "\u010a"
    pairs = [(".", newline), (newline, newline), ("a", "b"), ("ab", "." + newline)]
    words = ["<pad>", "<s>", "</s>", "<unk>", *alphabet, *("".join(pair) for pair in pairs)]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrap(tokenizer)


def _wrap(tokenizer: Any) -> Any:
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in ("<pad>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", bos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    )


def _sizes(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_hidden_layers": 2,
        "intermediate_size": 100,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": END,
        "pad_token_id": 0,
        **changes,
    }


def llama(**changes: Any) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**_sizes(head_dim=32, **changes))).eval()


def qwen() -> Any:
    torch.manual_seed(1)
    return Qwen2ForCausalLM(Qwen2Config(**_sizes())).eval()


def mistral() -> Any:
    """Attention reaches back 12 tokens only."""
    torch.manual_seed(2)
    return MistralForCausalLM(MistralConfig(**_sizes(sliding_window=12, head_dim=32))).eval()


def gpt2() -> Any:
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=64,
        n_head=2,
        n_layer=2,
        n_positions=CONTEXT,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=END,
    )
    model: Any = GPT2LMHeadModel
    return model(config).eval()


def value_llama(labels: int = 1, **changes: Any) -> Any:
    torch.manual_seed(4)
    config = LlamaConfig(**_sizes(head_dim=32, num_labels=labels, **changes))
    model = LlamaForSequenceClassification(config).eval()
    with torch.no_grad():
        # Values spread over [0, 1] instead of being clamped at either end.
        model.score.weight.mul_(0.05)
        model.score.weight[:, 0] += 0.2
    return model


MODELS = {"llama": llama, "qwen": qwen, "mistral": mistral, "gpt2": gpt2}
