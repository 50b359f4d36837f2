"""Engines with an adapter say what they say with its merged model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch

from restmcts.engines.adapters import Adapter
from restmcts.engines.base import Policy, Sample, SamplingRequest
from restmcts.engines.open import open_policy
from restmcts.engines.settings import ModelSettings
from restmcts.engines.transformers.adapters import put_on, save_adapter
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.training.adapters import merge_adapter
from tests.engines.engine_models import llama, word_tokenizer
from tests.engines.test_engine_policy import make_prompts, tokens_of
from tests.engines.vllm_support import MODELS, needs_vllm, save


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes much, beside its base and its merged model."""
    place = tmp_path_factory.mktemp("models")
    save(llama(), place / "base")
    adapted = put_on(llama(), Adapter("", 4, 8.0, 0.0, ("all-linear",)))
    torch.manual_seed(1)
    for name, weights in adapted.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(weights, std=0.15)
    folder = place / "adapter"
    folder.mkdir()
    save_adapter(adapted, folder, "../base", torch.float32)
    word_tokenizer().save_pretrained(folder)
    merge_adapter(folder, place / "whole", None, "float32")
    return folder


async def greedy(policy: Policy) -> list[Sample]:
    """A greedy trace of each of some prompts."""
    requests = [
        SamplingRequest(prompt, seeds=[0], max_tokens=20, until="end", temperature=0)
        for prompt in make_prompts(12)
    ]
    found = await asyncio.gather(*map(policy.propose, requests))
    return [sample for samples in found for sample in samples]


async def traces(policy: Policy) -> list[tuple[int, ...]]:
    try:
        return [tokens_of(sample) for sample in await greedy(policy)]
    finally:
        policy.close()


async def test_transformers_with_an_adapter(adapter: Path) -> None:
    models = ModelSettings(device="cpu")
    found, whole, base = [
        await traces(open_policy(folder, models, name="p"))
        for folder in (adapter, adapter.parent / "whole", adapter.parent / "base")
    ]
    assert found == whole != base


@needs_vllm
async def test_vllm_with_an_adapter(adapter: Path) -> None:
    found = await traces(open_policy(adapter, MODELS, name="p"))
    assert found == await traces(TransformersPolicy(adapter.parent / "whole", peek_end=False))
    assert not list(Path(gettempdir()).glob("restmcts-merged-*"))
