"""The vLLM engine in this process: the same tokens, log-probabilities and values as the plain model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from restmcts.engines.base import Policy, Sample, Sampling, SamplingRequest, Tokens, ValueModel
from restmcts.engines.open import open_policy, open_value
from restmcts.engines.prompted.critic import RuleCritic
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.engines.transformers.value import TransformersValueModel
from restmcts.engines.vllm.policy import VllmPolicy
from restmcts.engines.vllm.value import VllmValueModel
from restmcts.errors import EngineError, InputError
from restmcts.problems.problem import Problem
from restmcts.prompts import StepEnds
from restmcts.search.methods.mcts import Mcts
from restmcts.search.methods.tree_of_thought import TreeOfThought
from restmcts.search.running.driver import run_search
from restmcts.search.running.task import Engines, SearchTask
from restmcts.search.settings import Method
from store.tree import Node, fold
from tests.engines.engine_models import (
    CONTEXT,
    END,
    NEWLINE,
    VOCABULARY,
    llama,
    merging_tokenizer,
    value_llama,
    word_tokenizer,
)
from tests.engines.test_engine_policy import make_prompts, plain_logprobs, tokens_of
from tests.engines.test_engine_value import padded_logits
from tests.engines.vllm_support import INSTALLED, MODELS, assert_nothing_runs, needs_vllm, save


def test_continuous_integration_has_vllm() -> None:
    assert INSTALLED or not os.environ.get("CI"), "these tests must not be skipped there"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmPolicy]:
    engine = open_policy(save(llama(), tmp_path_factory.mktemp("policy")), MODELS, name="tiny")
    assert isinstance(engine, VllmPolicy)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def value(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmValueModel]:
    engine = open_value(save(value_llama(), tmp_path_factory.mktemp("value")), MODELS, name="judge")
    assert isinstance(engine, VllmValueModel)
    yield engine
    engine.close()


@needs_vllm
@pytest.mark.parametrize("until", ["step", "end"])
async def test_greedy_is_that_of_the_transformers_engine(
    policy: VllmPolicy, until: Literal["step", "end"]
) -> None:
    plain = TransformersPolicy((llama(), word_tokenizer()), peek_end=False)
    for prompt in make_prompts(12):
        expected = await plain.propose(
            SamplingRequest(prompt, seeds=[0, 1], max_tokens=30, until=until, temperature=0)
        )
        found = await policy.propose(
            SamplingRequest(prompt, seeds=[0, 1], max_tokens=30, until=until, temperature=0)
        )
        assert [(tokens_of(x), x.generated, x.truncated) for x in found] == [
            (tokens_of(x), x.generated, x.truncated) for x in expected
        ]
        for one, other in zip(found[0].steps, expected[0].steps, strict=True):
            assert (one.text, one.tokens, one.ended) == (other.text, other.tokens, other.ended)
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
    plain.close()


@needs_vllm
async def test_without_logprobs_the_samples_are_the_same(policy: VllmPolicy, tmp_path: Path) -> None:
    models = MODELS.model_copy(update={"vllm": MODELS.vllm.model_copy(update={"logprobs": False})})
    bare = open_policy(save(llama(), tmp_path), models, name="bare")
    for prompt in make_prompts(4):
        how: dict[str, Any] = {"seeds": [5, 6], "max_tokens": 30, "until": "end", "temperature": 0.7}
        expected, found = (
            await policy.propose(SamplingRequest(prompt, **how)),
            await bare.propose(SamplingRequest(prompt, **how)),
        )
        assert [tokens_of(sample) for sample in found] == [tokens_of(sample) for sample in expected]
        assert {step.logprob for sample in found for step in sample.steps} == {None}
        assert all(step.logprob is not None for sample in expected for step in sample.steps)
    bare.close()


def before_newline() -> Tokens:
    """The prompt of two tokens after which the model most likes to write a newline."""
    prompts = torch.tensor([[1, token] for token in range(5, VOCABULARY)])
    with torch.no_grad():
        chances = torch.softmax(llama()(prompts).logits[:, -1], -1)[:, NEWLINE]
    return (1, 5 + int(chances.argmax()))


@needs_vllm
async def test_a_step_ends_at_its_newline_and_has_the_logprob_of_the_plain_model(
    policy: VllmPolicy,
) -> None:
    model, ends = llama(), StepEnds(word_tokenizer())
    prompt = before_newline()
    samples = await policy.propose(
        SamplingRequest(prompt, seeds=range(400), max_tokens=60, until="step", temperature=2)
    )
    steps = [sample.steps[0] for sample in samples if sample.steps]
    assert sum(step.tokens[0] == NEWLINE and len(step.tokens) > 2 for step in steps) > 5
    assert sum(step.text.endswith("\n") for step in steps) > 20
    for sample in samples:
        tokens = tokens_of(sample)
        ended = bool(sample.generated - len(tokens))
        assert [step.tokens for step in sample.steps] == ends.split(tokens)
        assert len(sample.steps) == bool(tokens)
        stopped = bool(tokens) and ends.ends(tokens[-1], any(ends.visible[token] for token in tokens[:-1]))
        assert sample.truncated == (not ended and not stopped)
        assert END not in tokens
        if tokens:
            assert sample.steps[0].ended == ended
            whole = (*tokens, END) if ended else tokens
            logprob = sum(plain_logprobs(model, prompt, whole))
            assert sample.steps[0].logprob == pytest.approx(logprob, abs=1e-3)


@needs_vllm
async def test_an_end_at_once_is_a_sample_without_steps(policy: VllmPolicy) -> None:
    """So that a text that ends after a newline is seen with the next request."""
    samples = await policy.propose(
        SamplingRequest((1, 9, NEWLINE), seeds=range(300), max_tokens=9, until="step", temperature=2)
    )
    at_once = [sample for sample in samples if not sample.steps]
    assert at_once
    assert set(at_once) == {Sample((), 1, False)}


@needs_vllm
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_the_limit_holds_after_leading_newlines(policy: VllmPolicy, limit: int) -> None:
    ends = StepEnds(word_tokenizer())
    found = await policy.propose(
        SamplingRequest(before_newline(), seeds=range(300), max_tokens=limit, until="step", temperature=1.5)
    )
    assert sum(tokens_of(sample)[:1] == (NEWLINE,) for sample in found) > 5
    assert max(sample.generated for sample in found) == limit
    for sample in found:
        tokens = tokens_of(sample)
        stopped = bool(tokens) and ends.ends(tokens[-1], any(ends.visible[token] for token in tokens[:-1]))
        assert sample.truncated == (sample.generated == len(tokens) and not stopped)


@needs_vllm
async def test_until_end_gives_all_steps(policy: VllmPolicy) -> None:
    samples = await policy.propose(
        SamplingRequest((1, 9), seeds=range(40), max_tokens=80, until="end", temperature=1.2)
    )
    model = llama()
    assert any(len(sample.steps) > 2 for sample in samples)
    for sample in samples:
        assert all(step.text.strip() and step.text.endswith("\n") for step in sample.steps[:-1])
        assert not any(step.ended for step in sample.steps[:-1])
        place = 0
        tokens = tokens_of(sample)
        for step in sample.steps:
            prefix = (1, 9, *tokens[:place])
            own = (*step.tokens, END) if step.ended else step.tokens
            logprob = sum(plain_logprobs(model, prefix, own))
            assert step.logprob == pytest.approx(logprob, abs=1e-3)
            place += len(step.tokens)
        if sample.steps:
            assert sample.steps[-1].ended == (not sample.truncated)


@needs_vllm
async def test_merged_newlines_end_steps(tmp_path: Path) -> None:
    tokenizer = merging_tokenizer()
    folder = save(llama(vocab_size=len(tokenizer) + 3), tmp_path, tokenizer)
    engine = VllmPolicy(folder, MODELS)
    ends = StepEnds(tokenizer, len(tokenizer) + 3)
    seeds = range(300)
    samples = await engine.propose(
        SamplingRequest(engine.prompt("a"), seeds=seeds, max_tokens=100, until="step", temperature=2)
    )
    engine.close()
    steps = [step for sample in samples for step in sample.steps]
    assert any(step.text.endswith(".\n") and len(tokenizer.decode(step.tokens[-1:])) > 1 for step in steps)
    assert any(step.text.endswith("\n\n") for step in steps)
    for step in steps:
        assert ends.split(step.tokens) == [step.tokens]
        assert step.text == tokenizer.decode(step.tokens, skip_special_tokens=True)


@needs_vllm
async def test_a_sample_has_the_random_numbers_of_its_seed(policy: VllmPolicy) -> None:
    async def ask(*seeds: int) -> list[Any]:
        return await policy.propose(
            SamplingRequest((1, 9), seeds=seeds, max_tokens=30, until="step", temperature=1.5)
        )

    three = await ask(5, 6, 7)
    assert await ask(5, 6, 7) == three
    assert len({tokens_of(sample) for sample in three}) == 3
    for order in ((7,), (7, 5), (6, 7, 20), (2**63 - 1, 6)):
        expected = {5: three[0], 6: three[1], 7: three[2]}
        for seed, sample in zip(order, await ask(*order), strict=True):
            if seed in expected:
                assert tokens_of(sample) == tokens_of(expected[seed])


@needs_vllm
async def test_children_reuse_what_is_computed_of_their_parent(policy: VllmPolicy) -> None:
    policy._engine._core.engine.reset_prefix_cache()  # type: ignore[attr-defined]
    root = (1, *range(6, 55), *range(20, 50))
    before = policy.stats()
    await policy.propose(SamplingRequest(root, seeds=[3], max_tokens=4, until="end", temperature=1))
    first = policy.stats()
    assert first["cached_tokens"] == before["cached_tokens"]
    await asyncio.gather(
        *(
            policy.propose(
                SamplingRequest((*root, child), seeds=[1, 2], max_tokens=4, until="end", temperature=1)
            )
            for child in range(6, 10)
        )
    )
    after = policy.stats()
    assert after["prompt_tokens"] - first["prompt_tokens"] == 4 * 81
    assert after["cached_tokens"] - first["cached_tokens"] == 4 * 80
    assert 9 <= after["generated_tokens"] - before["generated_tokens"] <= 36
    assert after["forward_passes"] > first["forward_passes"]
    assert after["seconds"] > first["seconds"]
    assert (after["waiting"], after["running"]) == (0, 0)


@needs_vllm
async def test_a_cancelled_request_is_dropped(policy: VllmPolicy) -> None:
    start = policy.stats()["forward_passes"]
    long = asyncio.create_task(
        policy.propose(SamplingRequest((1, 9), seeds=range(8), max_tokens=150, until="end", temperature=0.5))
    )
    while policy.stats()["forward_passes"] < start + 3:
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    (sample,) = await policy.propose(
        SamplingRequest((1, 9), seeds=[0], max_tokens=2, until="step", temperature=1)
    )
    assert sample.generated > 0
    assert policy.stats()["running"] == 0
    assert_nothing_runs(policy)


@needs_vllm
async def test_what_cannot_be_asked_is_said(policy: VllmPolicy) -> None:
    how: dict[str, Any] = {"seeds": [1], "until": "step"}
    assert policy.context == CONTEXT
    with pytest.raises(
        EngineError, match=f"tiny: the prompt has {CONTEXT} tokens, the model takes {CONTEXT}"
    ):
        await policy.propose(SamplingRequest((5,) * CONTEXT, max_tokens=5, temperature=1, **how))
    with pytest.raises(EngineError, match="tiny: max_tokens must be at least 1, not 0"):
        await policy.propose(SamplingRequest((5,), max_tokens=0, temperature=1, **how))
    with pytest.raises(EngineError, match="tiny: an empty prompt"):
        await policy.propose(SamplingRequest((), max_tokens=5, temperature=1, **how))
    with pytest.raises(EngineError, match=r"temperatures from 0 to 2\.0, not 2\.5"):
        await policy.propose(SamplingRequest((5,), max_tokens=5, temperature=2.5, **how))
    with pytest.raises(EngineError, match="tiny: the prompt has token 60, the model's vocabulary ends at 59"):
        await policy.propose(SamplingRequest((5, 60), max_tokens=5, temperature=1, **how))
    (last,) = await policy.propose(SamplingRequest((5,) * (CONTEXT - 1), max_tokens=50, temperature=1, **how))
    assert last.generated == 1


@needs_vllm
async def test_what_vllm_refuses_fails_alone(policy: VllmPolicy) -> None:
    from vllm.sampling_params import SamplingParams

    good = policy.propose(SamplingRequest((1, 9), seeds=[1, 2], max_tokens=30, until="end", temperature=1))
    bad = policy._engine.run((1, 9), SamplingParams(logprobs=1000))
    answers: tuple[Any, Any] = await asyncio.gather(good, bad, return_exceptions=True)
    samples, failure = answers
    assert isinstance(samples, list) and len(samples) == 2
    assert isinstance(failure, EngineError)
    assert "tiny: " in str(failure) and "logprobs" in str(failure)


@needs_vllm
async def test_values_are_those_of_the_plain_model(value: VllmValueModel) -> None:
    prompts = make_prompts(30)
    found = await value.score(prompts)
    assert found == pytest.approx(padded_logits(value_llama(), prompts, "right"), abs=1e-4)
    assert len(set(found)) > 12
    assert all(number == round(number, 6) for number in found)


@needs_vllm
async def test_values_reuse_what_is_computed_and_respect_the_length(value: VllmValueModel) -> None:
    root = (1, *range(40, 60), *range(6, 55))
    await value.score([root])
    before = value.stats()
    await value.score([(*root, child) for child in range(6, 10)])
    after = value.stats()
    assert after["cached_tokens"] - before["cached_tokens"] == 4 * 70
    assert await value.score([]) == []
    assert len(await value.score([(5,) * CONTEXT])) == 1
    for wrong in ((), (5,) * (CONTEXT + 1)):
        with pytest.raises(EngineError, match=f"judge: a prompt has {len(wrong)} tokens; 1 to {CONTEXT}"):
            await value.score([(1, 9), wrong])


@needs_vllm
@pytest.mark.parametrize("factor", [100.0, -100.0])
async def test_values_are_clamped(factor: float, tmp_path: Path) -> None:
    model = value_llama()
    model.score.weight.data.mul_(factor)
    engine = VllmValueModel(save(model, tmp_path), MODELS, name="odd")
    prompts = make_prompts(8)
    try:
        found = await engine.score(prompts)
        assert found == pytest.approx(padded_logits(model, prompts, "right"), abs=1e-4)
        assert {0.0, 1.0} & set(found)
    finally:
        engine.close()


@needs_vllm
async def test_a_value_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    model = value_llama()
    model.model.norm.weight.data.fill_(1e38)
    model.score.weight.data.mul_(100.0)
    engine = VllmValueModel(save(model, tmp_path), MODELS, name="odd")
    try:
        with pytest.raises(EngineError, match=r"odd: .*not a number"):
            await engine.score(make_prompts(8))
    finally:
        engine.close()


@needs_vllm
def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    for number, (make, engine) in enumerate(((llama, VllmPolicy), (value_llama, VllmValueModel))):
        model: Any = make()
        model.model.norm.weight.data[3] = float("nan")
        with pytest.raises(InputError, match=r"model\.norm\.weight hold something that is not a number"):
            engine(save(model, tmp_path / str(number)), MODELS)


@needs_vllm
async def test_two_engines_side_by_side_do_not_disturb_each_other(
    policy: VllmPolicy, value: VllmValueModel
) -> None:
    """Both compute all the time; vLLM keeps what a forward pass needs in a global variable."""
    prompts = make_prompts(40, seed=7)
    model, expected = llama(), padded_logits(value_llama(), prompts, "right")
    asked = [
        policy.propose(SamplingRequest(prompt, seeds=[1, 2], max_tokens=20, until="end", temperature=1))
        for prompt in prompts
    ]
    scored = [value.score([prompt]) for prompt in prompts for _ in range(3)]
    samples, scores = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*scored))
    assert [score for (score,) in scores] == pytest.approx(
        [number for number in expected for _ in range(3)], abs=1e-4
    )
    for prompt, pair in zip(prompts, samples, strict=True):
        for sample in pair:
            ended = (END,) if sample.steps and sample.steps[-1].ended else ()
            if sample.steps:
                logprob = sum(plain_logprobs(model, prompt, (*tokens_of(sample), *ended)))
                total = sum(step.logprob or 0.0 for step in sample.steps)
                assert total == pytest.approx(logprob, abs=1e-3)


def shape(node: Node) -> tuple[Any, ...]:
    """What is exact about a node."""
    step = node.step
    assert step is not None
    return node.parent, node.visits, node.finished, node.answer, step.text, step.tokens, step.ended


@needs_vllm
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("mcts", Mcts(branch=2, rounds=8, rollout_steps=2, early_stop=False)),
        ("tot-bfs", TreeOfThought(branch=2, depth=4, repeat=False, early_stop=False)),
    ],
)
async def test_a_greedy_search_has_the_tree_of_the_transformers_engine(
    policy: VllmPolicy, value: VllmValueModel, method: str, settings: Method
) -> None:
    plain_policy = TransformersPolicy((llama(), word_tokenizer()), name="tiny", peek_end=False)
    plain_value = TransformersValueModel((value_llama(), word_tokenizer()), name="judge")
    pairs: list[tuple[Policy, ValueModel]] = [(policy, value), (plain_policy, plain_value)]
    nodes = 0
    for text in ("7 + 9", "12 + 30", "5"):
        task = SearchTask(Problem("p", text), method, settings, seed=3)
        records = []
        for one, judge in pairs:
            sampling = Sampling(temperature=0, step_tokens=12, trace_tokens=60)
            records.append(await run_search(task, Engines(one, judge, RuleCritic(), sampling)))
        found, expected = (fold(record.events) for record in records)
        assert [type(event) for event in records[0].events] == [type(event) for event in records[1].events]
        assert list(map(shape, found.nodes[1:])) == list(map(shape, expected.nodes[1:]))
        assert [node.value for node in found.nodes] == pytest.approx(
            [node.value for node in expected.nodes], abs=1e-4
        )
        assert records[0].result.cost == records[1].result.cost
        nodes += len(found.nodes)
    plain_policy.close()
    plain_value.close()
    assert nodes > 9
