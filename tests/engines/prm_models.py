"""Tiny random process reward models of the published architectures, and tokenizers with their step tags."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForTokenClassification,
    Qwen2Model,
)

from restmcts.engines.prm_settings import PrmSettings
from restmcts.search.running.prefixes import Reader
from store.events import Step

CONTEXT = 640
TAG = "ки"
BYTE_TAG = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(TAG)[0][0]
"""The four bytes of the tag, as a tokenizer of bytes writes them."""

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
SPECIAL = ("<pad>", "<s>", "</s>")
CHAT = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

SHEPHERD = PrmSettings.model_validate({"preset": "math-shepherd"})
QWEN = PrmSettings.model_validate({"preset": "qwen2.5-math-prm"})


def byte_tokenizer(*more: str, chat: str | None = None) -> Any:
    """Bytes, "ки" as one ordinary token, and ``more`` special tokens."""
    a, b, c, d = tuple(BYTE_TAG)
    pairs = [(a, b), (c, d), (a + b, c + d)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*SPECIAL, "<unk>", *alphabet, *("".join(pair) for pair in pairs)]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrapped(tokenizer, *more, chat=chat)


def chat_tokenizer() -> Any:
    """What Qwen2.5-Math-PRM has: a chat template, and a special token for the ends of steps."""
    return byte_tokenizer("<|im_start|>", "<|im_end|>", "<extra_0>", chat=CHAT)


def sentencepiece_tokenizer() -> Any:
    """Letters with a space put before every text, as in the tokenizer of Math-Shepherd."""
    pairs = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-")]
    letters = ["▁", *(chr(code) for code in range(33, 127)), "к", "и"]
    words = [*SPECIAL, "<unk>", *(f"<0x{code:02X}>" for code in range(256)), *letters]
    words += ["".join(pair) for pair in pairs]
    model = models.BPE(
        {word: i for i, word in enumerate(words)}, pairs, unk_token="<unk>", byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _wrapped(tokenizer)


def _wrapped(tokenizer: Any, *more: str, chat: str | None = None) -> Any:
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in (*SPECIAL, *more)])
    found = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", bos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    )
    found.chat_template = chat
    return found


def sizes(vocabulary: int, **changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 48,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **changes,
    }


def mistral_prm(vocabulary: int) -> Any:
    torch.manual_seed(11)
    return MistralForCausalLM(MistralConfig(**sizes(vocabulary, sliding_window=None))).eval()


def token_classifier(vocabulary: int, labels: int = 2) -> Any:
    torch.manual_seed(12)
    return Qwen2ForTokenClassification(Qwen2Config(**sizes(vocabulary, num_labels=labels))).eval()


def published_weights(vocabulary: int) -> tuple[Any, dict[str, torch.Tensor]]:
    """The decoder and the head of a small Qwen2.5-Math-PRM, the head by the names of its weights."""
    torch.manual_seed(13)
    decoder = Qwen2Model(Qwen2Config(**sizes(vocabulary))).eval()
    size = decoder.config.hidden_size
    head = {
        "score.0.weight": torch.randn(size, size) * 0.2,
        "score.0.bias": torch.randn(size),
        "score.2.weight": torch.randn(2, size) * 0.1,
        "score.2.bias": torch.randn(2),
    }
    return decoder, head


def write_published(folder: Path, tokenizer: Any, decoder: Any, head: dict[str, torch.Tensor]) -> Path:
    """A folder as the published one: the same names, and code that must not run."""
    tokenizer.save_pretrained(folder)
    config = decoder.config.to_dict() | {
        "architectures": ["Qwen2ForProcessRewardModel"],
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.Qwen2ForProcessRewardModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")
    weights = {f"model.{name}": tensor for name, tensor in decoder.state_dict().items()}
    save_file({**weights, **head}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write(folder: Path, model: Any, tokenizer: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def steps(*texts: str) -> list[Step]:
    """Steps of a policy with another vocabulary: their ids mean nothing here."""
    return [Step(text, tokens=(7, 7, 7)) for text in texts]


def prompts(engine: Any, problem: str, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The prompts of all beginnings of a solution, as the search makes them."""
    return Reader(engine, problem).read_each(steps(*texts))
