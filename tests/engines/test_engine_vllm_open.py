"""Requests to vLLM that stay open after a step: equal samples, less to compute, no place taken for good."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_models import END, NEWLINE, llama
from test_engine_policy import make_prompts, plain_logprobs, tokens_of
from vllm_support import MODELS, assert_nothing_runs, needs_vllm, save

from restmcts.engines import vllm_open
from restmcts.engines.base import Sample, Tokens
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm_policy import VllmPolicy
from restmcts.errors import EngineError

pytestmark = needs_vllm


def settings(**vllm: Any) -> ModelSettings:
    return MODELS.model_copy(update={"vllm": MODELS.vllm.model_copy(update=vllm)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(llama(), tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def policies(folder: Path) -> Iterator[tuple[VllmPolicy, VllmPolicy]]:
    """One that keeps requests open, and one that does not."""
    both = VllmPolicy(folder, MODELS), VllmPolicy(folder, settings(keep_open=False))
    yield both
    for policy in both:
        policy.close()


def core_of(policy: VllmPolicy) -> Any:
    return policy._engine._core  # type: ignore[attr-defined]


def idle(policy: VllmPolicy) -> int:
    return len(core_of(policy)._open._idle)


async def step(policy: VllmPolicy, prompt: Tokens, *seeds: int, temperature: float = 1.5) -> list[Sample]:
    return await policy.propose(prompt, seeds=seeds, max_tokens=12, until="step", temperature=temperature)


async def chain(policy: VllmPolicy, prompt: Tokens, seed: int, temperatures: list[float]) -> list[Sample]:
    """Steps one after the other, each after the one before, as far as the text goes."""
    samples: list[Sample] = []
    for number, temperature in enumerate(temperatures):
        (sample,) = await step(policy, prompt, seed + number, temperature=temperature)
        samples.append(sample)
        prompt = (*prompt, *tokens_of(sample))
        if not sample.steps or sample.steps[0].ended:
            break
    return samples


async def test_what_goes_on_is_what_a_fresh_request_would_write(
    policies: tuple[VllmPolicy, VllmPolicy],
) -> None:
    """Tokens by the seed of each step, greedy or not, with the log-probabilities of the plain model."""
    model, steps = llama(), 0
    for number, prompt in enumerate(make_prompts(8, seed=2)):
        temperatures = [[1.5] * 6, [0.0, 1.5, 0.0, 1.5, 1.2, 0.7]][number % 2]
        found, expected = [await chain(policy, prompt, 50 * number, temperatures) for policy in policies]
        assert list(map(tokens_of, found)) == list(map(tokens_of, expected))
        assert [sample.truncated for sample in found] == [sample.truncated for sample in expected]
        for sample in found:
            written = tokens_of(sample)
            if sample.steps:
                whole = (*written, END) if sample.steps[0].ended else written
                logprob = sum(plain_logprobs(model, prompt, whole))
                assert sample.steps[0].logprob == pytest.approx(logprob, abs=1e-3)
            prompt = (*prompt, *written)
            steps += 1
    assert steps > 24


async def test_what_goes_on_computes_one_token_of_its_prompt(policies: tuple[VllmPolicy, VllmPolicy]) -> None:
    kept, fresh = policies
    prompt = (1, *range(6, 24))
    computed = []
    for policy in (kept, fresh):
        core_of(policy).forget()
        (first,) = await step(policy, prompt, 4)
        assert first.steps and not first.steps[0].ended
        child = (*prompt, *tokens_of(first))
        before = policy.stats()
        await step(policy, child, 5)
        after = policy.stats()
        assert after["prompt_tokens"] - before["prompt_tokens"] == len(child)
        computed.append(len(child) - (after["cached_tokens"] - before["cached_tokens"]))
    # Less than a block is never reused otherwise.
    assert computed == [1, len(child) if len(child) <= 32 else len(child) - 32]


async def test_one_of_several_samples_goes_on_and_the_others_are_fresh(
    policies: tuple[VllmPolicy, VllmPolicy],
) -> None:
    for prompt in make_prompts(4, seed=6):
        trees = []
        for policy in policies:
            children = await step(policy, prompt, 1, 2, 3)
            asked = [step(policy, (*prompt, *tokens_of(child)), 7, 8, 9) for child in children if child.steps]
            trees.append([list(map(tokens_of, samples)) for samples in await asyncio.gather(*asked)])
        assert trees[0] == trees[1]


async def test_nothing_is_kept_after_the_end_of_a_text_or_a_whole_trace(folder: Path) -> None:
    policy = VllmPolicy(folder, MODELS)
    await policy.propose((1, 9), seeds=range(8), max_tokens=20, until="end", temperature=1)
    assert idle(policy) == 0
    samples = await step(policy, (1, 9), *range(300), temperature=2)
    open_texts = {tokens_of(s) for s in samples if tokens_of(s) and not s.steps[-1].ended}
    assert any(sample.steps and sample.steps[-1].ended for sample in samples)
    assert 0 < idle(policy) <= len(open_texts)
    assert not any(END in text for text in core_of(policy)._open._idle)
    assert any(text[-1] == NEWLINE for text in core_of(policy)._open._idle)
    assert_nothing_runs(policy)
    policy.close()


@pytest.mark.parametrize("sequences", [1, 4])
async def test_open_requests_leave_their_places_to_new_ones(folder: Path, sequences: int) -> None:
    policy = VllmPolicy(folder, settings(sequences=sequences))
    for round in range(3):
        prompts = make_prompts(10, seed=round)
        found = await asyncio.gather(*(step(policy, prompt, 3, 4) for prompt in prompts))
        assert [len(samples) for samples in found] == [2] * 10
        assert idle(policy) <= sequences
        children = [(*prompt, *tokens_of(one)) for prompt, (one, _) in zip(prompts, found, strict=True)]
        await asyncio.gather(*(step(policy, child, 5) for child in children))
    assert policy.stats()["running"] == 0
    assert_nothing_runs(policy)
    policy.close()


@pytest.mark.parametrize("full", [0.5, 2.0])
async def test_open_requests_leave_the_cache_to_new_ones(
    folder: Path, full: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache of a few blocks; where they are not counted, a request that does not fit ends what is open."""
    monkeypatch.setattr(vllm_open, "FULL", full)
    policy = VllmPolicy(folder, settings(cache_gib=0.0002))
    blocks = core_of(policy).engine.vllm_config.cache_config.num_gpu_blocks
    assert blocks < 30
    for prompt in make_prompts(40, seed=1):
        (sample,) = await asyncio.wait_for(step(policy, prompt[: policy.context - 20], 3), 20)
        assert sample.generated
    assert_nothing_runs(policy)
    policy.close()


async def test_after_a_failure_the_engine_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = VllmPolicy(folder, MODELS)
    (first,) = await step(policy, (1, 9), 4)
    with monkeypatch.context() as patch:
        patch.setattr(core_of(policy).engine, "step", lambda: 1 / 0)
        with pytest.raises(EngineError, match="ZeroDivisionError"):
            await step(policy, (1, 9, *tokens_of(first)), 5)
    (again,) = await step(policy, (1, 9), 4)
    assert tokens_of(again) == tokens_of(first)
    assert (await step(policy, (1, 9, *tokens_of(first)), 5))[0].generated
    assert_nothing_runs(policy)
    policy.close()


async def test_what_vllm_refuses_does_not_stay_open(folder: Path) -> None:
    """A request that would go on, and several samples of which the first would."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    policy = VllmPolicy(folder, MODELS)
    for n in (1, 3):
        (first,) = await step(policy, (1, 9), 4)
        wrong = SamplingParams(n=n, logprobs=1000, output_kind=RequestOutputKind.DELTA)
        with pytest.raises(EngineError, match="logprobs"):
            await policy._engine.run((1, 9, *tokens_of(first)), wrong)
        assert idle(policy) == 0
        assert policy.stats()["running"] == 0
        assert not core_of(policy).engine.has_unfinished_requests()
    policy.close()


async def test_closing_ends_what_is_open(folder: Path) -> None:
    policy = VllmPolicy(folder, MODELS)
    await step(policy, (1, 9), *range(20))
    assert idle(policy)
    runner = weakref.ref(core_of(policy).engine.model_executor.driver_worker.model_runner)
    policy.close()
    gc.collect()
    assert runner() is None


async def test_a_cancelled_request_is_not_kept(policies: tuple[VllmPolicy, VllmPolicy]) -> None:
    policy = policies[0]
    core_of(policy).forget()
    start = policy.stats()["forward_passes"]
    prompt = (1, *range(6, 20))
    long = asyncio.create_task(
        policy.propose(prompt, seeds=range(4), max_tokens=100, until="end", temperature=0.3)
    )
    while policy.stats()["forward_passes"] < start + 3:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    await step(policy, prompt, 3)
    assert idle(policy) <= 1
    assert policy.stats()["running"] == 0
    assert_nothing_runs(policy)
