"""A tiny random model with a tokenizer, made in a moment, and samples for it."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from restmcts.prompts import PromptFormat, save_format
from store.events import Step
from store.records import PolicySample, PreferenceSample, ValueSample

WORDS = ["<pad>", "<end>", "<unknown>", "\n", " ", "+", "=", "?", *"0123456789"]
TOKEN = {word: number for number, word in enumerate(WORDS)}


def write_policy(folder: Path, *, layers: int = 2, width: int = 64, seed: int = 0) -> Path:
    """A Llama with random weights that knows digits, and its tokenizer."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        head_dim=32,
        max_position_embeddings=64,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=TOKEN["<end>"],
        pad_token_id=TOKEN["<pad>"],
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel(TOKEN, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = Fuse()
    special = {"eos_token": "<end>", "pad_token": "<pad>", "unk_token": "<unknown>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    save_format(folder, PromptFormat(template="{problem}=?\n", instruction=None))
    return folder


def step(text: str, *, sampled: bool = True, ended: bool = False, logprob: float | None = -0.5) -> Step:
    """A step as the policy of these tests would sample it, or as text alone."""
    tokens = tuple(TOKEN[letter] for letter in text) if sampled else ()
    return Step(text, tokens, logprob if sampled else None, ended)


def sums(count: int, seed: int = 0) -> list[PolicySample]:
    """Traces of two steps for sums of two digits: the sum modulo 10, then the same again."""
    draw = random.Random(seed)
    samples = []
    for number in range(count):
        left, right = draw.randrange(10), draw.randrange(10)
        total = (left + right) % 10
        steps = (step(f"{total}\n"), step(f"{total}\n", ended=True))
        samples.append(PolicySample(f"s{number}", f"{left}+{right}", steps, ("t/1",), 1.0, "trace"))
    return samples


def judged_sums(count: int, seed: int = 0, end: str = "\n") -> list[ValueSample]:
    """Chains in which a step has a high value when its digit is larger than 4.

    With an empty ``end`` the digit is the last token of its step, so that no attention is needed to learn it.
    """
    draw = random.Random(seed)
    samples = []
    for number in range(count):
        digits = [draw.randrange(10) for _ in range(draw.randint(1, 4))]
        labels = tuple(1.0 if digit > 4 else 0.0 for digit in digits)
        steps = tuple(step(f"{digit}{end}") for digit in digits)
        samples.append(ValueSample(f"s{number}", f"{number % 10}+1", steps, labels, (f"t/{number}",)))
    return samples


def preferred_sums(count: int, seed: int = 0) -> list[PreferenceSample]:
    """Pairs that prefer a large digit as the second step of a sum to a small one."""
    draw = random.Random(seed)
    samples = []
    for number in range(count):
        left, right = draw.randrange(10), draw.randrange(10)
        good, bad = draw.randrange(5, 10), draw.randrange(5)
        samples.append(
            PreferenceSample(
                f"s{number}",
                f"{left}+{right}",
                (step(f"{left}\n"),),
                (step(f"{good}\n", ended=True),),
                (step(f"{bad}\n"),),
                ("t/1",),
                0.5,
            )
        )
    return samples


Weights = dict[str, torch.Tensor]
