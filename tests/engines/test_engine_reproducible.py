"""On a CPU in float32, what a request gives depends on its prompt and seeds alone, bit for bit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import Qwen2Config

from restmcts.engines.base import SamplingRequest, Tokens
from restmcts.engines.transformers import attention, decoding, prefill, scoring
from restmcts.engines.transformers.decoding import Decoder, Row
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.engines.transformers.prm import TransformersPrm
from restmcts.engines.transformers.step_classifier import Qwen2StepClassifier
from restmcts.engines.transformers.value import TransformersValueModel
from tests.engines.engine_models import MODELS, VOCABULARY, value_llama, word_tokenizer
from tests.engines.prm_models import QWEN, SHEPHERD, byte_tokenizer, chat_tokenizer, mistral_prm, sizes


def make_requests(count: int) -> list[tuple[Tokens, dict[str, Any]]]:
    """Prompts of all lengths, many of them prefixes of each other, with varied options."""
    rng = random.Random(7)
    requests: list[tuple[Tokens, dict[str, Any]]] = []
    for _ in range(count):
        parent = rng.choice(requests)[0][:80] if requests and rng.random() < 0.6 else (1,)
        prompt = parent + tuple(rng.randrange(4, VOCABULARY) for _ in range(rng.choice([1, 2, 3, 9, 40])))
        options = {
            "seeds": [rng.getrandbits(64) for _ in range(rng.choice([1, 1, 3]))],
            "max_tokens": rng.choice([2, 6, 30]),
            "until": rng.choice(["step", "end"]),
            "temperature": rng.choice([0.0, 0.7, 1.0, 1.5]),
            "top_p": rng.choice([1.0, 1.0, 0.8]),
        }
        requests.append((prompt, options))
    return requests


@pytest.fixture
def exact_logprobs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tokens, int, tuple[float, ...]]]:
    """The unrounded log-probabilities of every continuation, as the engine finishes it."""
    seen: list[tuple[Tokens, int, tuple[float, ...]]] = []
    original = Decoder._finish

    def keep(self: Decoder, row: Row, finished: Any) -> None:
        job = row.owner.job
        seen.append((job.prompt, job.request.seeds[row.index], tuple(row.logprobs)))
        original(self, row, finished)

    monkeypatch.setattr(decoding.Decoder, "_finish", keep)
    return seen


async def run_policy(kind: str, requests: Sequence[Any], size: int, **options: Any) -> list[Any]:
    engine = TransformersPolicy((MODELS[kind](), word_tokenizer()), **options)
    found = []
    for start in range(0, len(requests), size):
        part = requests[start : start + size]
        found += await asyncio.gather(
            *(engine.propose(SamplingRequest(prompt, **how)) for prompt, how in part)
        )
    engine.close()
    return found


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("kind", "threads"), [*((kind, 1) for kind in MODELS), ("llama", 2)], indirect=["threads"]
)
async def test_policy_alone_in_sevens_and_all_at_once(
    kind: str, threads: int, exact_logprobs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = make_requests(64)
    variants: list[dict[str, Any]] = [
        {"size": 1},
        {"size": 7},
        {"size": 64},
        {"size": 64, "max_batch": 5},
        {"size": 7, "cache_tokens": 500},
    ]
    results = []
    for variant in variants:
        exact_logprobs.clear()
        found = await run_policy(kind, requests, **variant)
        results.append((found, sorted(exact_logprobs)))
    monkeypatch.setattr(decoding, "FORWARD_TOKENS", 11)
    monkeypatch.setattr(attention, "GROUP_SLOTS", 100)
    exact_logprobs.clear()
    results.append((await run_policy(kind, requests, 64), sorted(exact_logprobs)))
    backwards = await run_policy(kind, requests[::-1], 64)
    assert backwards[::-1] == results[0][0]
    for found, logprobs in results[1:]:
        assert found == results[0][0]
        assert logprobs == results[0][1]
    assert len({str(sample) for sample in results[0][0]}) > 50


@pytest.fixture
def exact_values(monkeypatch: pytest.MonkeyPatch) -> dict[Tokens, set[float]]:
    """All unrounded values that each prompt was given."""
    seen: dict[Tokens, set[float]] = {}
    original = scoring.Scorer._settle

    def keep(self: Any, owner: Any, value: float, finished: Any) -> None:
        seen.setdefault(owner.job.prompts[owner.index], set()).add(value)
        original(self, owner, value, finished)

    monkeypatch.setattr(scoring.Scorer, "_settle", keep)
    return seen


def open_engine(kind: str, cache_tokens: int | None) -> scoring.ScoringModel:
    if kind == "regression":
        return TransformersValueModel((value_llama(), word_tokenizer()), cache_tokens=cache_tokens)
    if kind == "tokens":
        tokenizer, settings = byte_tokenizer(), SHEPHERD
        model = mistral_prm(len(tokenizer))
    else:
        tokenizer, settings = chat_tokenizer(), QWEN
        torch.manual_seed(14)
        model = Qwen2StepClassifier(Qwen2Config(**sizes(len(tokenizer))))
    return TransformersPrm((model, tokenizer), settings, cache_tokens=cache_tokens)


@pytest.mark.parametrize("kind", ["regression", "tokens", "labels"])
@pytest.mark.parametrize("threads", [1, 2], indirect=True)
async def test_values_alone_in_sevens_and_all_at_once(
    threads: int, kind: str, exact_values: dict[Tokens, set[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [prompt for prompt, _ in make_requests(64)]
    for variant in ({"size": 1}, {"size": 7}, {"size": 64}, {"size": 7, "cache_tokens": 150}, {"size": 64}):
        engine = open_engine(kind, variant.get("cache_tokens"))
        for start in range(0, len(prompts), variant["size"]):
            part = prompts[start : start + variant["size"]]
            await asyncio.gather(*(scoring.ScoringModel.score(engine, [prompt]) for prompt in part))
        await scoring.ScoringModel.score(engine, prompts[::-1])
        engine.close()
        monkeypatch.setattr(scoring, "FORWARD_TOKENS", prefill.FORWARD_TOKENS // 512)
    assert len(exact_values) > 50
    assert {len(values) for values in exact_values.values()} == {1}
