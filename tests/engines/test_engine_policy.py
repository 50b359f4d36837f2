"""The policy engine against the plain model: same tokens, same log-probabilities."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import torch

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.transformers import forward
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.errors import EngineError
from tests.engines.engine_models import (
    CONTEXT,
    END,
    MODELS,
    NEWLINE,
    VOCABULARY,
    llama,
    merging_tokenizer,
    word_tokenizer,
)


def make_prompts(count: int, *, seed: int = 0, longest: int = 90) -> list[Tokens]:
    """Random prompts; a third of them extend earlier ones."""
    rng = random.Random(seed)
    prompts: list[Tokens] = []
    for number in range(count):
        start = rng.choice(prompts)[:100] if prompts and number % 3 == 0 else (1,)
        prompts.append(start + tuple(rng.randrange(5, VOCABULARY) for _ in range(rng.randrange(1, longest))))
    return [prompt[:110] for prompt in prompts]


def plain_logprobs(model: Any, prompt: Tokens, continuation: Tokens) -> list[float]:
    """Log-probabilities of a continuation by one full forward pass of the untouched model."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *continuation]])).logits[0].double()
    logprobs = torch.log_softmax(logits, -1)
    return [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(continuation)]


def tokens_of(sample: Sample) -> Tokens:
    return tuple(token for step in sample.steps for token in step.tokens)


@pytest.fixture
def policy() -> Iterator[TransformersPolicy]:
    engine = TransformersPolicy((llama(), word_tokenizer()), cache_tokens=20_000)
    yield engine
    engine.close()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("way", ["reproducible", "reproducible without matrix products", "joint"])
async def test_greedy_is_that_of_generate(kind: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "reproducible without matrix products":
        monkeypatch.setattr(forward, "kernel_is_exact", lambda device, dtype: False)
    model = MODELS[kind]()
    prompts = make_prompts(12)
    expected = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        found = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24)
        expected.append([token for token in found[0, len(prompt) :].tolist() if token != END])
    engine = TransformersPolicy((model, word_tokenizer()), reproducible=way != "joint")
    try:
        asked = [
            # One token of the limit is kept for the end of the text.
            engine.propose(SamplingRequest(prompt, seeds=[0, 1], max_tokens=25, until="end", temperature=0))
            for prompt in prompts
        ]
        samples = await asyncio.gather(*asked)
    finally:
        engine.close()
    for prompt, (first, second), tokens in zip(prompts, samples, expected, strict=True):
        assert first == second
        assert list(tokens_of(first)) == tokens
        ended = (END,) if first.steps[-1].ended else ()
        total = sum(step.logprob or 0.0 for step in first.steps)
        assert total == pytest.approx(sum(plain_logprobs(model, prompt, (*tokens, *ended))), abs=1e-4)
        assert first.generated == len(tokens) + len(ended)
        assert first.truncated == (not ended)


async def test_sampled_steps_have_the_logprob_of_the_plain_model(policy: TransformersPolicy) -> None:
    prompts = make_prompts(20)
    asked = [
        policy.propose(
            SamplingRequest(prompt, seeds=range(3), max_tokens=40, until="step", temperature=1.3, top_p=0.9)
        )
        for prompt in prompts
    ]
    found = await asyncio.gather(*asked)
    policy.close()
    model = llama()
    for prompt, samples in zip(prompts, found, strict=True):
        for sample in samples:
            for step in sample.steps:
                tokens = (*step.tokens, END) if step.ended else step.tokens
                assert step.logprob == pytest.approx(sum(plain_logprobs(model, prompt, tokens)), abs=1e-4)


async def test_a_step_ends_at_its_newline(policy: TransformersPolicy) -> None:
    samples = await policy.propose(
        SamplingRequest((1, 9, 4), seeds=range(60), max_tokens=60, until="step", temperature=1.5)
    )
    ends = 0
    for sample in samples:
        if sample.steps:
            (step,) = sample.steps
            body = step.tokens[:-1] if step.text.endswith("\n") else step.tokens
            lead = [token for token in body if token != NEWLINE]
            assert NEWLINE not in body or body.index(lead[0]) > body.index(NEWLINE)
            assert sample.generated == len(step.tokens) + step.ended
            assert sample.truncated == (not step.ended and not step.text.endswith("\n"))
            ends += step.text.endswith("\n")
    assert ends > 10


async def test_until_end_gives_all_steps(policy: TransformersPolicy) -> None:
    samples = await policy.propose(
        SamplingRequest((1, 9), seeds=range(40), max_tokens=80, until="end", temperature=1.2)
    )
    assert any(len(sample.steps) > 2 for sample in samples)
    for sample in samples:
        assert all(step.text.strip() and step.text.endswith("\n") for step in sample.steps[:-1])
        assert not any(step.ended for step in sample.steps[:-1])
        assert END not in tokens_of(sample)
        if sample.steps:
            assert sample.steps[-1].ended == (not sample.truncated)


def ending_model(probability: float) -> Any:
    """Whatever it reads, it ends the text with ``probability``; else it writes "7" or a newline."""
    model = llama()
    logits = torch.full((VOCABULARY,), -30.0)
    logits[END] = torch.tensor(probability).log()
    logits[NEWLINE] = logits[WORD] = torch.tensor((1 - probability) / 2).log()
    head = torch.nn.Linear(64, VOCABULARY)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(logits)
    model.lm_head = head
    return model


WORD = 15


async def test_an_end_at_once_is_a_sample_without_steps() -> None:
    engine = TransformersPolicy((ending_model(1 - 1e-6), word_tokenizer()))
    (sample,) = await engine.propose(
        SamplingRequest((1, 9), seeds=[5], max_tokens=9, until="step", temperature=1)
    )
    assert sample == Sample((), 1, False)
    root = engine.prompt("9")
    assert root[-1] == NEWLINE
    (sample,) = await engine.propose(
        SamplingRequest(root, seeds=[5], max_tokens=9, until="step", temperature=1)
    )
    assert sample == Sample((), 1, False)
    engine.close()


async def test_the_end_of_text_is_seen_with_the_step() -> None:
    """How often a step ends the text, and that the next step then never starts with the end."""
    engine = TransformersPolicy((ending_model(0.4), word_tokenizer()))
    samples = await engine.propose(
        SamplingRequest((1, 9), seeds=range(2000), max_tokens=3, until="step", temperature=1)
    )
    closed = [sample for sample in samples if tokens_of(sample) == (WORD, NEWLINE)]
    share = sum(sample.steps[0].ended for sample in closed) / len(closed)
    assert len(closed) > 100
    assert share == pytest.approx(0.4, abs=0.12)
    assert {sample.generated for sample in closed} == {2, 3}
    after = await engine.propose(
        SamplingRequest((1, 9, WORD, NEWLINE), seeds=range(50), max_tokens=2, until="step", temperature=1)
    )
    assert all(sample.steps for sample in after)
    engine.close()


@pytest.mark.parametrize("until", ["step", "end"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_the_end_of_text_is_within_the_limit(until: Literal["step", "end"], limit: int) -> None:
    engine = TransformersPolicy((ending_model(0.3), word_tokenizer()))
    found = await engine.propose(
        SamplingRequest((1, 9), seeds=range(400), max_tokens=limit, until=until, temperature=1)
    )
    engine.close()
    for sample in found:
        tokens = tokens_of(sample)
        ended = sample.generated - len(tokens)
        assert 1 <= sample.generated <= limit
        assert len(tokens) <= max(1, limit - 1)
        assert ended in (0, 1)
        assert ended == (not sample.steps or sample.steps[-1].ended)
        stopped = until == "step" and WORD in tokens and tokens[-1] == NEWLINE
        assert sample.truncated == (not ended and not stopped)
    assert any(sample.truncated for sample in found)
    assert max(sample.generated for sample in found) == (1 if limit == 2 else limit)
    assert any(sample.steps and sample.steps[-1].ended for sample in found) == (limit > 2)


async def test_without_peeking_the_end_comes_with_the_next_request() -> None:
    engine = TransformersPolicy((ending_model(0.4), word_tokenizer()), peek_end=False)
    samples = await engine.propose(
        SamplingRequest((1, 9), seeds=range(500), max_tokens=2, until="step", temperature=1)
    )
    closed = [sample for sample in samples if tokens_of(sample) == (WORD, NEWLINE)]
    assert closed
    assert not any(sample.steps[0].ended for sample in closed)
    after = await engine.propose(
        SamplingRequest((1, 9, WORD, NEWLINE), seeds=range(400), max_tokens=2, until="step", temperature=1)
    )
    assert sum(not sample.steps for sample in after) / 400 == pytest.approx(0.4, abs=0.1)
    engine.close()


async def test_merged_newlines_end_steps() -> None:
    tokenizer = merging_tokenizer()
    engine = TransformersPolicy((llama(vocab_size=len(tokenizer)), tokenizer))
    prompt = engine.prompt("a")
    samples = await engine.propose(
        SamplingRequest(prompt, seeds=range(80), max_tokens=100, until="end", temperature=2)
    )
    engine.close()
    steps = [step for sample in samples for step in sample.steps]
    assert any(step.text.endswith(".\n") and len(tokenizer.decode(step.tokens[-1:])) > 1 for step in steps)
    assert any(step.text.endswith("\n\n") for step in steps)
    for step in steps:
        assert step.text == tokenizer.decode(step.tokens, skip_special_tokens=True)


async def test_children_reuse_their_parent(policy: TransformersPolicy) -> None:
    root = tuple(range(6, 46))
    (sample,) = await policy.propose(
        SamplingRequest(root, seeds=[3], max_tokens=8, until="step", temperature=1)
    )
    before = policy.stats()
    assert before["cached_tokens"] == 0
    child = root + sample.steps[0].tokens
    await policy.propose(SamplingRequest(child, seeds=[1, 2, 3], max_tokens=8, until="step", temperature=1))
    after = policy.stats()
    assert after["prompt_tokens"] - before["prompt_tokens"] == len(child)
    assert after["cached_tokens"] - before["cached_tokens"] >= len(child) - 2
    assert after["forward_passes"] > before["forward_passes"]
    assert (after["waiting"], after["running"]) == (0, 0)


async def test_equal_prompts_that_wait_are_computed_once(policy: TransformersPolicy) -> None:
    root = tuple(range(6, 46))
    asked = [
        policy.propose(SamplingRequest(root, seeds=[i], max_tokens=1, until="end", temperature=1))
        for i in range(5)
    ]
    await asyncio.gather(*asked)
    assert policy.stats()["cached_tokens"] == 4 * (len(root) - 1)


async def test_a_cancelled_request_is_dropped(policy: TransformersPolicy) -> None:
    long = asyncio.create_task(
        policy.propose(SamplingRequest((1, 9), seeds=range(8), max_tokens=150, until="end", temperature=0.01))
    )
    while policy.stats()["forward_passes"] < 4:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    (sample,) = await policy.propose(
        SamplingRequest((1, 9), seeds=[0], max_tokens=2, until="step", temperature=1)
    )
    assert sample.generated > 0
    assert policy.stats()["running"] == 0
    cache = policy._model.cache
    assert cache.available == cache.capacity


async def test_lengths_are_checked_before_running(policy: TransformersPolicy) -> None:
    options: dict[str, Any] = {"seeds": [0], "until": "end", "temperature": 1}
    with pytest.raises(EngineError, match=rf"prompt has {CONTEXT} tokens, the model takes {CONTEXT}"):
        await policy.propose(SamplingRequest((5,) * CONTEXT, max_tokens=4, **options))
    with pytest.raises(EngineError, match="empty prompt"):
        await policy.propose(SamplingRequest((), max_tokens=4, **options))
    (sample,) = await policy.propose(SamplingRequest((5,) * (CONTEXT - 3), max_tokens=50, **options))
    assert sample.generated <= 4


async def test_a_failure_reaches_everyone_and_the_engine_goes_on(
    policy: TransformersPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"seeds": [0, 1], "max_tokens": 3, "until": "end", "temperature": 1}
    expected = await policy.propose(SamplingRequest((1, 7, 8), **options))
    with monkeypatch.context() as patch:
        patch.setattr(policy._model, "logits", lambda pieces: 1 / 0)
        asked = [policy.propose(SamplingRequest((1, number), **options)) for number in range(5, 9)]
        failures = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(failure) for failure in failures] == [EngineError] * 4
    assert "ZeroDivisionError" in str(failures[0])
    assert await policy.propose(SamplingRequest((1, 7, 8), **options)) == expected


async def test_a_closed_engine_says_so() -> None:
    model = llama()
    before = model.config._attn_implementation
    engine = TransformersPolicy((model, word_tokenizer()), name="base")
    waiting = asyncio.create_task(
        engine.propose(SamplingRequest((1, 9), seeds=[0], max_tokens=150, until="end", temperature=0.01))
    )
    await asyncio.sleep(0)
    engine.close()
    with pytest.raises(EngineError, match="base: the engine"):
        await waiting
    with pytest.raises(EngineError, match="base: the engine is closed"):
        await engine.propose(SamplingRequest((1, 9), seeds=[0], max_tokens=5, until="end", temperature=1))
    assert model.config._attn_implementation == before


def test_an_engine_serves_one_event_loop_after_another(policy: TransformersPolicy) -> None:
    async def ask() -> list[Sample]:
        return await policy.propose(
            SamplingRequest((1, 9), seeds=[0], max_tokens=5, until="end", temperature=1)
        )

    assert asyncio.run(ask()) == asyncio.run(ask())


async def test_a_model_that_gives_no_numbers_fails_only_the_requests_that_meet_them() -> None:
    model = llama()
    broken = 7
    with torch.no_grad():
        model.get_input_embeddings().weight[broken] = torch.nan
    engine = TransformersPolicy((model, word_tokenizer()), cache_tokens=20_000)

    def ask(prompt: Tokens, until: Literal["step", "end"]) -> Any:
        return engine.propose(SamplingRequest(prompt, [1, 2, 3], 12, until, 1.0))

    sound = (1, 9, 11)
    alone = await ask(sound, "step")
    assert not any(broken in tokens_of(sample) for sample in alone)
    results = await asyncio.gather(
        ask((1, 9, broken), "step"), ask(sound, "step"), ask((1, broken, 9), "end"), return_exceptions=True
    )
    assert results[1] == alone
    for result in (results[0], results[2]):
        assert isinstance(result, EngineError)
        assert "the policy gave a log-probability that is not a number" in str(result)
    assert await ask(sound, "step") == alone
    stats = engine.stats()
    assert (stats["running"], stats["waiting"]) == (0, 0)
    engine.close()
