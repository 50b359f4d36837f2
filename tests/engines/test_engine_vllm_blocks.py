"""Blocks of vLLM's cache that are filled in part: kept within limits, copied, and the results the same."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.engines.base import Sample, SamplingRequest, Tokens
from restmcts.engines.settings import ModelSettings
from restmcts.engines.vllm.cpu import partial_blocks as vllm_blocks
from restmcts.engines.vllm.cpu.partial_blocks import PartialBlocks
from restmcts.engines.vllm.policy import VllmPolicy
from restmcts.engines.vllm.value import VllmValueModel
from restmcts.errors import EngineError
from tests.engines.engine_models import CONTEXT, END, llama, mistral, value_llama
from tests.engines.test_engine_policy import make_prompts, plain_logprobs, tokens_of
from tests.engines.vllm_support import MODELS, assert_nothing_runs, needs_vllm, save

pytestmark = needs_vllm

BLOCK = 32


def settings(**vllm: Any) -> ModelSettings:
    return MODELS.model_copy(update={"vllm": MODELS.vllm.model_copy(update=vllm)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(llama(), tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def policies(folder: Path) -> Iterator[tuple[VllmPolicy, VllmPolicy]]:
    """One that copies blocks, and one that does not."""
    both = VllmPolicy(folder, MODELS), VllmPolicy(folder, settings(partial_blocks=False))
    yield both
    for policy in both:
        policy.close()


def core_of(engine: Any) -> Any:
    return engine._engine._core


def scheduler_of(engine: Any) -> Any:
    return core_of(engine).engine.engine_core.engine_core.scheduler


def kept(engine: Any) -> int:
    return len(scheduler_of(engine)._partial)


def used(engine: Any) -> int:
    """Blocks that somebody holds, but for the one that vLLM never gives away."""
    pool = scheduler_of(engine).kv_cache_manager.block_pool
    return int(pool.num_gpu_blocks - pool.get_num_free_blocks() - 1)


def record_computed(engine: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Tokens that each forward pass computes, by request."""
    passes: list[dict[str, int]] = []
    scheduler = scheduler_of(engine)
    schedule = scheduler.schedule

    def recorded(*given: Any) -> Any:
        output = schedule(*given)
        passes.append(dict(output.num_scheduled_tokens))
        return output

    monkeypatch.setattr(scheduler, "schedule", recorded)
    return passes


async def step(policy: VllmPolicy, prompt: Tokens, *seeds: int, temperature: float = 1.5) -> list[Sample]:
    return await policy.propose(
        SamplingRequest(prompt, seeds=seeds, max_tokens=12, until="step", temperature=temperature)
    )


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


async def test_samples_after_a_copied_block_are_those_without(
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


@pytest.mark.parametrize("length", [20, 32, 33, 50, 64, 65])
async def test_one_token_is_computed_of_a_text_that_was_written_before(
    policies: tuple[VllmPolicy, VllmPolicy], length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every sample of a request, also where another one has gone on from there in the meantime."""
    policy = policies[0]
    core_of(policy).engine.reset_prefix_cache()
    prompt = (1, *(6 + place % 40 for place in range(length - 1)))
    (first,) = await step(policy, prompt, 4)
    assert first.steps and not first.steps[0].ended
    child = (*prompt, *tokens_of(first))
    await step(policy, child, 5)
    passes = record_computed(policy, monkeypatch)
    before = policy.stats()
    await step(policy, child, 5, 6, 7)
    after = policy.stats()
    assert next(sorted(each.values()) for each in passes if len(each) == 3) == [1, 1, 1]
    assert after["prompt_tokens"] - before["prompt_tokens"] == len(child)
    assert after["cached_tokens"] - before["cached_tokens"] == len(child) - 1


async def test_samples_of_a_new_prompt_wait_for_the_first_of_them(
    policies: tuple[VllmPolicy, VllmPolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = (1, *range(6, 36))
    for policy, computed in zip(policies, [[[31], [1, 1, 1]], [[31, 31, 31], [1, 1, 1]]], strict=True):
        core_of(policy).engine.reset_prefix_cache()
        passes = record_computed(policy, monkeypatch)
        await policy.propose(
            SamplingRequest(prompt, seeds=(1, 2, 3), max_tokens=20, until="end", temperature=0.1)
        )
        assert [sorted(each.values()) for each in passes][:2] == computed


async def test_samples_that_share_full_blocks_only_do_not_wait(
    policies: tuple[VllmPolicy, VllmPolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies[0]
    core_of(policy).engine.reset_prefix_cache()
    passes = record_computed(policy, monkeypatch)
    prompt = (1, *range(6, 6 + BLOCK))
    await policy.propose(SamplingRequest(prompt, seeds=(1, 2, 3), max_tokens=5, until="end", temperature=0.1))
    assert sorted(passes[0].values()) == [1, 1, BLOCK + 1]


async def test_children_of_siblings_are_those_without_copies(policies: tuple[VllmPolicy, VllmPolicy]) -> None:
    for prompt in make_prompts(4, seed=6):
        trees = []
        for policy in policies:
            children = await step(policy, prompt, 1, 2, 3)
            asked = [step(policy, (*prompt, *tokens_of(child)), 7, 8, 9) for child in children if child.steps]
            trees.append([list(map(tokens_of, samples)) for samples in await asyncio.gather(*asked)])
        assert trees[0] == trees[1]


async def test_equal_blocks_after_other_texts_are_not_copied(policies: tuple[VllmPolicy, VllmPolicy]) -> None:
    some, others = ((1, *(token for _ in range(BLOCK - 1))) for token in (7, 30))
    end = tuple(range(20, 38))
    prompts = [(*some, *end), (*others, 9, 9), (*others, *end)]
    found, expected = [
        [tokens_of((await step(policy, prompt, 3, temperature=0))[0]) for prompt in prompts]
        for policy in policies
    ]
    assert found == expected
    assert found[0] != found[2]


async def test_values_compute_what_was_not_scored_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(value_llama(), tmp_path)
    value, plain = VllmValueModel(folder, MODELS), VllmValueModel(folder, settings(partial_blocks=False))
    parent = (1, *range(6, 50))
    children = [(*parent, *range(10, 10 + more)) for more in (1, 5, 30)]
    await value.score([parent])
    passes = record_computed(value, monkeypatch)
    found = await value.score(children)
    assert sorted(passes[0].values()) == [1, 5, 30]
    expected = await plain.score(children)
    assert found == pytest.approx(expected, abs=1e-5)
    # The same again: the last token is always computed, as it has the value.
    assert await value.score(children) == pytest.approx(expected, abs=1e-5)
    assert sorted(passes[-1].values()) == [1, 1, 1]
    value.close()
    plain.close()


async def test_models_with_a_window_are_left_alone(tmp_path: Path) -> None:
    """Blocks that have left the window may be empty."""
    folder = save(mistral(), tmp_path)
    policy, plain = VllmPolicy(folder, MODELS), VllmPolicy(folder, settings(partial_blocks=False))
    for prompt in make_prompts(3, seed=8):
        found, expected = [await chain(each, prompt, 5, [1.5] * 5) for each in (policy, plain)]
        assert list(map(tokens_of, found)) == list(map(tokens_of, expected))
    assert kept(policy) == 0
    policy.close()
    plain.close()


@pytest.mark.parametrize("sequences", [1, 4])
async def test_kept_blocks_take_no_places(folder: Path, sequences: int) -> None:
    policy = VllmPolicy(folder, settings(sequences=sequences))
    for round in range(3):
        prompts = make_prompts(10, seed=round)
        found = await asyncio.gather(*(step(policy, prompt, 3, 4) for prompt in prompts))
        assert [len(samples) for samples in found] == [2] * 10
        assert used(policy) == kept(policy) > 0
        children = [(*prompt, *tokens_of(one)) for prompt, (one, _) in zip(prompts, found, strict=True)]
        await asyncio.gather(*(step(policy, child, 5) for child in children))
    assert policy.stats()["running"] == 0
    assert_nothing_runs(policy)
    assert used(policy) == kept(policy) == 0
    policy.close()


@pytest.mark.parametrize("most", [vllm_blocks.MOST, 1.0])
async def test_kept_blocks_leave_the_cache_to_those_who_need_it(
    folder: Path, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache of a few blocks, prompts that need nearly all of it, and many at once that do not fit it."""
    monkeypatch.setattr(vllm_blocks, "MOST", most)
    monkeypatch.setattr(vllm_blocks, "FREE", vllm_blocks.FREE if most < 1 else 0.0)
    policy = VllmPolicy(folder, settings(cache_gib=0.0001))
    # As many as the longest text needs, and the one that vLLM never gives away.
    assert scheduler_of(policy).kv_cache_manager.block_pool.num_gpu_blocks == CONTEXT // BLOCK + 1
    for prompt in make_prompts(40, seed=1):
        (sample,) = await asyncio.wait_for(step(policy, prompt[: policy.context - 20], 3), 20)
        assert sample.generated
    whole = (1, *(6 + place % 40 for place in range(policy.context - 2)))
    assert (await asyncio.wait_for(step(policy, whole, 3), 20))[0].generated
    many = [
        policy.propose(
            SamplingRequest(prompt[:20], seeds=(1, 2), max_tokens=60, until="end", temperature=0.5)
        )
        for prompt in make_prompts(12, seed=5)
    ]
    found = await asyncio.wait_for(asyncio.gather(*many), 60)
    assert all(sample.generated for samples in found for sample in samples)
    assert_nothing_runs(policy)
    assert used(policy) == 0
    policy.close()


async def test_no_more_than_a_quarter_of_the_cache_is_kept(folder: Path) -> None:
    policy = VllmPolicy(folder, settings(cache_gib=0.001))
    blocks = scheduler_of(policy).kv_cache_manager.block_pool.num_gpu_blocks
    most = 0
    for place in range(blocks):
        await step(policy, (1, 6 + place % 40, 6 + place // 40, 9), 3)
        most = max(most, kept(policy))
    # A request may have kept one more since room was made.
    assert blocks // 4 <= most <= blocks // 4 + 1
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


async def test_what_vllm_refuses_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request of several samples, of which vLLM takes only the first."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    policy = VllmPolicy(folder, MODELS)
    core = core_of(policy)
    ask = core.engine.add_request
    numbers: list[str] = []

    def refuse_the_second(number: str, *rest: Any) -> None:
        numbers.append(number)
        if len(numbers) == 2:
            raise ValueError("not this one")
        ask(number, *rest)

    monkeypatch.setattr(core.engine, "add_request", refuse_the_second)
    asked = SamplingParams(n=3, max_tokens=5, output_kind=RequestOutputKind.DELTA)
    with pytest.raises(EngineError, match="not this one"):
        await policy._engine.run((1, 9), asked)
    assert len(numbers) == 2
    assert policy.stats()["running"] == 0
    assert not core.engine.has_unfinished_requests()
    policy.close()


async def test_closing_frees_what_is_kept(folder: Path) -> None:
    policy = VllmPolicy(folder, MODELS)
    await step(policy, (1, 9), *range(20))
    assert kept(policy)
    runner = weakref.ref(core_of(policy).engine.model_executor.driver_worker.model_runner)
    policy.close()
    gc.collect()
    assert runner() is None


async def test_a_cancelled_request_leaves_no_blocks_in_use(policies: tuple[VllmPolicy, VllmPolicy]) -> None:
    policy = policies[0]
    core_of(policy).engine.reset_prefix_cache()
    start = policy.stats()["forward_passes"]
    prompt = (1, *range(6, 20))
    long = asyncio.create_task(
        policy.propose(SamplingRequest(prompt, seeds=range(4), max_tokens=100, until="end", temperature=0.3))
    )
    while policy.stats()["forward_passes"] < start + 3:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    await step(policy, prompt, 3)
    assert policy.stats()["running"] == 0
    assert used(policy) == kept(policy)
    assert_nothing_runs(policy)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("keep"), st.sampled_from([None, "a", "b"]), st.lists(st.integers(0, 2), max_size=4)
        ),
        st.tuples(st.just("take"), st.integers(0, 6)),
        st.tuples(st.just("give back")),
        st.tuples(st.just("make room")),
    ),
    max_size=40,
)


@given(OPERATIONS, st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_the_longest_beginning_is_found_and_every_block_comes_back(
    operations: list[Any], wanted: list[int]
) -> None:
    """With vLLM's own pool of twenty blocks, of which others take some."""
    from vllm.v1.core.block_pool import BlockPool

    pool = BlockPool(20, True, BLOCK)
    partial = PartialBlocks(pool)
    begun: dict[Any, list[tuple[int, ...]]] = {}
    taken: list[Any] = []
    for name, *rest in operations:
        if name == "keep" and rest[1] and pool.get_num_free_blocks():
            (block,) = pool.get_new_blocks(1)
            partial.keep(block, *rest)
            pool.free_blocks([block])
            begun.setdefault(rest[0], []).append(tuple(rest[1]))
        elif name == "take" and rest[0] <= pool.get_num_free_blocks():
            taken += pool.get_new_blocks(rest[0])
        elif name == "give back":
            pool.free_blocks(taken)
            taken = []
        elif name == "make room":
            partial.make_room()
            assert len(partial) <= 5
            assert pool.get_num_free_blocks() >= 2 or not len(partial)
        assert pool.get_num_free_blocks() == 19 - len(taken) - len(partial)
    for before in (None, "a", "b"):
        block, length = partial.find(before, wanted)
        assert (block is None) == (length == 0)
        possible = [tokens for tokens in begun.get(before, []) if tuple(wanted[: len(tokens)]) == tokens]
        assert length <= max(map(len, possible), default=0)
        assert length == max((len(tokens) for tokens in possible if partial.knows(before, tokens)), default=0)
        assert block is None or block.ref_cnt == 1
    partial.clear()
    assert len(partial) == 0
    assert pool.get_num_free_blocks() == 19 - len(taken)


def test_the_least_recently_used_blocks_go_first() -> None:
    from vllm.v1.core.block_pool import BlockPool

    pool = BlockPool(16, True, BLOCK)
    partial = PartialBlocks(pool)
    for token in range(6):
        blocks = pool.get_new_blocks(1)
        partial.keep(blocks[0], None, [token])
        pool.free_blocks(blocks)
    assert partial.find(None, [0, 9])[1] == 1
    partial.keep(pool.blocks[1], None, [1])
    partial.make_room()
    assert [token for token in range(6) if partial.knows(None, [token])] == [0, 1, 4, 5]
