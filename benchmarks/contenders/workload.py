"""What all contenders get: the model, the problems, the length of a step and of a search."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from restmcts.engines.base import Tokens
from restmcts.problems.problem import Problem

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if not loop.last or message['role'] == 'user' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ENDINGS = 10
"""Tokens of the small model that end a step. Its weights are random, so that a step has about 30 tokens."""
VOCABULARY = 320
SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "head_dim": 32,
    "max_position_embeddings": 2048,
}


@dataclass(frozen=True)
class Workload:
    """What is searched: ``concurrency`` problems at once, about ``budget`` generated tokens for each.

    ``branch`` samples an expansion, steps of at most ``step_tokens`` tokens, sampled at ``temperature``.
    ``stops`` are the tokens that end a step or the text.
    """

    problems: list[Problem]
    prompts: list[Tokens]
    concurrency: int
    budget: int
    branch: int
    step_tokens: int
    temperature: float
    stops: frozenset[int]
    ends: frozenset[int]
    seed: int = 1


@dataclass(frozen=True)
class Measured:
    """What a contender did: generated policy tokens, wall and CPU seconds; ``details`` of any kind."""

    tokens: int
    seconds: float
    cpu_seconds: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """Tokens a second of wall time."""
        return self.tokens / self.seconds


def timed(work: Callable[[], tuple[int, dict[str, Any]]]) -> Measured:
    """Run ``work``, which returns tokens and details."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens, details = work()
    return Measured(tokens, time.perf_counter() - wall, time.process_time() - cpu, details)


def pseudo_score(text: Any) -> float:
    """A score in [0, 1) that depends on ``text`` alone and costs nothing."""
    return random.Random(repr(text)[-80:]).random()


def make_problems(number: int) -> list[Problem]:
    """Arithmetic word problems of the length that people write."""
    chance = random.Random(0)
    problems = []
    for index in range(number):
        bags, each, eaten, price = (chance.randint(2, 60) for _ in range(4))
        text = (
            f"Tom has {bags} bags with {each} apples in each. On Monday he eats {eaten} of the apples, "
            f"and on Tuesday he buys {bags + eaten} more at the market, where an apple costs {price} cents. "
            "How many apples does he have in the end?"
        )
        problems.append(Problem(f"apples-{index}", text, str(bags * each + bags)))
    return problems


def make_policy(folder: Path) -> Path:
    """A small Llama with random weights and a tokenizer with a chat template, which everyone can read."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(vocab_size=len(tokenizer), bos_token_id=None, **ends, **SIZES)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer() -> Any:
    """A byte-level tokenizer that learned from the problems; ten of its tokens end a step."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - ENDINGS,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((problem.text for problem in make_problems(100)), trainer)
    tokenizer.add_tokens([AddedToken(f"{digit}.\n", normalized=False) for digit in range(ENDINGS)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<pad>",
        additional_special_tokens=special[2:],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT
    return fast


def make_value_model(policy: Path, folder: Path, dtype: str) -> Path:
    """A value model of the policy's size: its weights, and a head with random ones."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        policy, num_labels=1, problem_type="regression", dtype=getattr(torch, dtype)
    )
    tokenizer = AutoTokenizer.from_pretrained(policy)
    model.config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
