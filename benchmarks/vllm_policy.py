"""How much of vLLM's own speed is left for a policy on it.

    python -m benchmarks.vllm_policy                                # a tiny model with random weights
    python -m benchmarks.vllm_policy models/smollm2 --dtype bfloat16

The same requests are put to vLLM's engine directly and through :class:`VllmPolicy`, in turns: three samples a
prompt, up to the end of the text or of a step. Prints tokens a second of CPU time, so that what else the
machine does is not counted. Aim: at least 0.85 of vLLM's own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from restmcts.demo.task import TinyTask
from restmcts.demo.tokenizer import tiny_tokenizer
from restmcts.engines.base import SamplingRequest, Tokens
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.policy import VllmPolicy
from restmcts.errors import InputError

SAMPLES = 3
REPEATS = 4


def make_model(folder: Path) -> Path:
    tokenizer: Any = tiny_tokenizer(TinyTask())
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 128,
        "num_attention_heads": 4,
        "num_hidden_layers": 4,
        "head_dim": 32,
    }
    config = LlamaConfig(vocab_size=len(tokenizer), intermediate_size=256, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def directly(policy: VllmPolicy, prompts: list[Tokens], until: Literal["step", "end"], limit: int) -> int:
    """Returns the number of tokens."""
    engine = policy._engine._core.engine  # type: ignore[attr-defined]
    for number, prompt in enumerate(prompts):
        request = SamplingRequest(prompt, range(SAMPLES), limit, until, temperature=1.0)
        parameters = policy._parameters(request, 1000 * number, SAMPLES, limit)
        inputs = {"type": "token", "prompt_token_ids": list(prompt)}
        engine.add_request(f"direct-{number}", inputs, parameters)
    tokens = 0
    while engine.has_unfinished_requests():
        tokens += sum(len(part.token_ids) for output in engine.step() for part in output.outputs)
    return tokens


def through_policy(
    policy: VllmPolicy, prompts: list[Tokens], until: Literal["step", "end"], limit: int
) -> int:
    """Returns the number of tokens."""

    async def ask() -> list[Any]:
        how: dict[str, Any] = {"max_tokens": limit, "until": until, "temperature": 1.0}
        return await asyncio.gather(
            *(
                policy.propose(SamplingRequest(prompt, range(1000 * number, 1000 * number + SAMPLES), **how))
                for number, prompt in enumerate(prompts)
            )
        )

    return sum(sample.generated for samples in asyncio.run(ask()) for sample in samples)


def speed(way: Callable[..., int], policy: VllmPolicy, *arguments: Any) -> float:
    policy._engine._core.engine.reset_prefix_cache()  # type: ignore[attr-defined]
    begun = time.process_time()
    return way(policy, *arguments) / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    models = ModelSettings(engine="vllm", device="cpu", dtype=options.dtype)
    with tempfile.TemporaryDirectory() as folder:
        try:
            policy = VllmPolicy(options.model or make_model(Path(folder)), models)
        except InputError as error:
            print(f"not measured: {error}")
            return
        prompts = [policy.prompt(f"{number} and +5, *3, -2 and so on") for number in range(options.prompts)]
        for until in ("end", "step"):
            pairs = [
                [speed(way, policy, prompts, until, options.tokens) for way in (directly, through_policy)]
                for _ in range(REPEATS)
            ]
            # The first ones warm up.
            direct, ours = (sum(column) / len(column) for column in zip(*pairs[1:], strict=True))
            print(
                f"until {until}: {direct:,.0f} tokens/s of vLLM, {ours:,.0f} as a policy: {ours / direct:.2f}"
            )
        policy.close()


if __name__ == "__main__":
    main()
