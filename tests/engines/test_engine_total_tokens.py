"""A limit of tokens for all samples of a request, on every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.base import Policy, Sample, SamplingRequest
from restmcts.engines.token_limit import draw_in_turns
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.engines.vllm.policy import VllmPolicy
from restmcts.errors import EngineError
from tests.engines.engine_models import llama, word_tokenizer
from tests.engines.fault_server import FaultServer
from tests.engines.openai_engines import open_engine, propose
from tests.engines.test_engine_policy import make_prompts, tokens_of
from tests.engines.vllm_support import MODELS, assert_nothing_runs, needs_vllm, save

SEEDS = range(40, 46)


@pytest.fixture(scope="module", params=["transformers", "without peeking", "vllm"])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    engine: Policy
    if request.param == "vllm":
        pytest.importorskip("vllm")
        engine = VllmPolicy(save(llama(), tmp_path_factory.mktemp("policy")), MODELS)
    else:
        peek = request.param == "transformers"
        engine = TransformersPolicy((llama(), word_tokenizer()), cache_tokens=20_000, peek_end=peek)
    yield engine
    engine.close()


def until_cut(lengths: Sequence[int], together: int) -> int:
    """The tokens that each sample of these lengths can have, if all get one in turns."""
    each = 0
    while (drawing := sum(length > each for length in lengths)) and drawing <= together:
        together -= drawing
        each += 1
    return each


@pytest.mark.parametrize("until", ["step", "end"])
async def test_samples_are_those_without_the_limit_up_to_where_it_cuts(
    policy: Policy, until: Literal["step", "end"]
) -> None:
    how: dict[str, Any] = {"seeds": SEEDS, "max_tokens": 24, "until": until, "temperature": 1.4}
    cuts = 0
    for prompt in make_prompts(3, seed=5):
        whole = await policy.propose(SamplingRequest(prompt, **how))
        total = sum(sample.generated for sample in whole)
        for together in {len(SEEDS), 9, 20, total // 2, total - 1, total, total + 7, 6 * 24}:
            if together < len(SEEDS):
                continue
            found = await policy.propose(SamplingRequest(prompt, **how, total_tokens=together))
            taken = sum(sample.generated for sample in found)
            cut = [sample for sample in found if sample.cut]
            cuts += len(cut)
            assert taken <= together
            assert all(sample.truncated for sample in cut)
            # What is left is less than a token for each of those that were being drawn.
            assert not cut or together - taken < len(cut)
            for sample, expected in zip(found, whole, strict=True):
                if sample.cut:
                    assert tokens_of(sample) == tokens_of(expected)[: len(tokens_of(sample))]
                else:
                    assert sample == expected
            if together >= total + len(SEEDS):
                assert not cut
    assert cuts > 20


async def test_where_a_limit_cuts_depends_on_the_lengths_alone() -> None:
    """Alone and beside other requests, in the same place."""
    engine = TransformersPolicy((llama(), word_tokenizer()), cache_tokens=20_000, peek_end=False)
    how: dict[str, Any] = {"seeds": SEEDS, "max_tokens": 30, "until": "step", "temperature": 1.6}
    for together in (10, 31, 60):
        prompts = make_prompts(5, seed=together)
        wholes = [await engine.propose(SamplingRequest(prompt, **how)) for prompt in prompts]
        alone = [
            await engine.propose(SamplingRequest(prompt, **how, total_tokens=together)) for prompt in prompts
        ]
        asked = [engine.propose(SamplingRequest(prompt, **how, total_tokens=together)) for prompt in prompts]
        assert await asyncio.gather(*asked) == alone
        for whole, found in zip(wholes, alone, strict=True):
            lengths = [sample.generated for sample in whole]
            each = until_cut(lengths, together)
            assert [sample.generated for sample in found] == [min(each, length) for length in lengths]
            assert [sample.cut for sample in found] == [length > each for length in lengths]
    engine.close()


async def test_the_cache_is_kept_free_for_what_a_limit_allows_and_no_more() -> None:
    """20 samples of up to 100 tokens would not fit the cache; those of 300 tokens together do."""
    engine = TransformersPolicy((llama(), word_tokenizer()), cache_tokens=400)
    how: dict[str, Any] = {"seeds": range(20), "max_tokens": 100, "until": "end", "temperature": 1}
    with pytest.raises(EngineError, match="may need 2002 cached tokens"):
        await engine.propose(SamplingRequest((1, 9), **how))
    for _ in range(3):
        asked = [
            engine.propose(SamplingRequest((1, number), **how, total_tokens=300)) for number in (9, 10, 11)
        ]
        for found in await asyncio.gather(*asked):
            assert sum(sample.generated for sample in found) <= 300
    cache = engine._model.cache
    assert cache.available == cache.capacity
    assert engine._decoder._reserved == 0
    engine.close()


async def test_batches_of_a_request_share_the_limit() -> None:
    engine = TransformersPolicy((llama(), word_tokenizer()), max_batch=4, peek_end=False)
    how: dict[str, Any] = {"seeds": range(10), "max_tokens": 20, "until": "end", "temperature": 0.01}
    found = await engine.propose(SamplingRequest((1, 9), **how, total_tokens=84))
    engine.close()
    assert [sample.generated for sample in found] == [20] * 4 + [1] * 4 + [0, 0]
    assert [sample.cut for sample in found] == [False] * 4 + [True] * 6


@needs_vllm
async def test_at_temperature_zero_one_sample_counts_for_all(tmp_path: Path) -> None:
    engine = VllmPolicy(save(llama(), tmp_path), MODELS)
    how: dict[str, Any] = {"max_tokens": 30, "until": "end", "temperature": 0}
    (whole,) = await engine.propose(SamplingRequest((1, 9), seeds=[0], **how))
    assert whole.generated > 8
    found = await engine.propose(SamplingRequest((1, 9), seeds=[0, 1, 2], **how, total_tokens=20))
    assert [(sample.generated, sample.cut) for sample in found] == [(6, True)] * 3
    engine.close()


@needs_vllm
async def test_a_cancelled_request_takes_nothing_with_it(tmp_path: Path) -> None:
    engine = VllmPolicy(save(llama(), tmp_path), MODELS)
    how: dict[str, Any] = {"seeds": SEEDS, "until": "end", "temperature": 0.5}
    long = asyncio.create_task(
        engine.propose(SamplingRequest((1, 9), max_tokens=150, total_tokens=600, **how))
    )
    start = engine.stats()["forward_passes"]
    while engine.stats()["forward_passes"] < start + 3:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    found = await engine.propose(SamplingRequest((1, 9), max_tokens=20, total_tokens=30, **how))
    assert sum(sample.generated for sample in found) == 30
    stats = engine.stats()
    assert (stats["running"], stats["generated_tokens"]) == (0, 30)
    assert_nothing_runs(engine)
    engine.close()


async def test_less_than_a_token_each_is_refused(policy: Policy) -> None:
    with pytest.raises(EngineError, match="6 samples cannot take 5 tokens together"):
        await policy.propose(
            SamplingRequest((1, 9), seeds=SEEDS, max_tokens=9, until="end", temperature=1, total_tokens=5)
        )


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    most=st.integers(1, 12),
    spare=st.integers(0, 90),
)
@settings(max_examples=200, deadline=None)
def test_in_turns_nothing_is_overspent_and_what_fits_is_drawn_at_once(
    lengths: list[int], most: int, spare: int
) -> None:
    together = len(lengths) + spare
    asked: list[int] = []

    async def draw(request: SamplingRequest) -> list[Sample]:
        asked.append(len(request.seeds))
        longest = request.max_tokens
        return [Sample((), min(lengths[seed], longest), lengths[seed] > longest) for seed in request.seeds]

    request = SamplingRequest((1,), range(len(lengths)), most, "step", 1.0)
    found = asyncio.run(draw_in_turns(draw, request, together))
    assert len(found) == len(lengths)
    assert sum(sample.generated for sample in found) <= together
    if together >= most * len(lengths):
        assert asked == [len(lengths)]
    for sample, length in zip(found, lengths, strict=True):
        assert sample.cut == (sample.generated < min(length, most))
        assert sample.truncated == (length > sample.generated)


@pytest.mark.usefixtures("own_environment")
def test_a_server_is_asked_one_by_one_near_the_limit(server: FaultServer) -> None:
    """Steps of 6 tokens. 40 pay for one of up to 30 at once, then 34, 28, 22 are left."""
    policy = open_engine(server)
    before = len(server.posts)
    found = propose(policy, seeds=[0, 1, 2, 3], max_tokens=30, total_tokens=40)
    bodies = [post.body for post in server.posts[before:]]
    assert [body["max_tokens"] for body in bodies] == [30, 30, 28, 22]
    assert [sample.generated for sample in found] == [6] * 4
    assert not any(sample.cut for sample in found)
    before = len(server.posts)
    propose(policy, seeds=[0, 1], max_tokens=20, total_tokens=40)
    assert [post.body["n"] for post in server.posts[before:]] == [2]
    with pytest.raises(EngineError, match="2 samples cannot take 1 tokens together"):
        propose(policy, total_tokens=1)
    policy.close()
