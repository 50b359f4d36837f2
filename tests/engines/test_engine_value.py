"""The value engine against the plain classifier."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2ForSequenceClassification

from restmcts.engines.base import Tokens
from restmcts.engines.transformers.value import TransformersValueModel
from restmcts.errors import EngineError, InputError
from store.events import Step
from tests.engines.engine_models import CONTEXT, VOCABULARY, gpt2, llama, value_llama, word_tokenizer


def make_prompts(count: int = 30) -> list[Tokens]:
    rng = random.Random(5)
    return [
        tuple(rng.randrange(4, VOCABULARY) for _ in range(rng.choice([1, 2, 5, 31, 32, 33, 70, 120])))
        for _ in range(count)
    ]


def value_gpt2() -> Any:
    config = gpt2().config
    config.num_labels, config.pad_token_id = 1, 0
    torch.manual_seed(6)
    model: Any = GPT2ForSequenceClassification
    return model(config).eval()


def padded_logits(model: Any, prompts: list[Tokens], side: str) -> list[float]:
    """What the plain model says of a padded batch."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        place = slice(longest - len(prompt), None) if side == "left" else slice(len(prompt))
        ids[row, place] = torch.tensor(prompt)
        mask[row, place] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(ids, attention_mask=mask, position_ids=positions).logits
    return [min(1.0, max(0.0, value)) for value in logits[:, 0].tolist()]


@pytest.mark.parametrize("make", [value_llama, value_gpt2])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("reproducible", [True, False])
async def test_values_are_those_of_the_plain_model(make: Any, side: str, reproducible: bool) -> None:
    model, prompts = make(), make_prompts()
    expected = padded_logits(model, prompts, side)
    engine = TransformersValueModel((model, word_tokenizer()), reproducible=reproducible)
    values = await engine.score(prompts)
    engine.close()
    assert values == pytest.approx(expected, abs=2e-5)
    assert len({value for value in values if 0 < value < 1}) > 3


async def test_children_reuse_their_parent() -> None:
    engine = TransformersValueModel((value_llama(), word_tokenizer()))
    root = tuple(range(6, 46))
    first = await engine.score([root])
    children = [(*root, 7, 8), (*root, 7, 9), (*root, 9, 9)]
    before = engine.stats()
    await asyncio.gather(*(engine.score([child]) for child in children))
    after = engine.stats()
    engine.close()
    assert after["cached_tokens"] - before["cached_tokens"] == 3 * len(root) + 1
    assert after["forward_passes"] - before["forward_passes"] == 1
    assert 0 <= first[0] <= 1


async def test_values_are_clamped_and_not_a_number_is_an_error() -> None:
    model = value_llama()
    model.score.weight.data *= 1e4
    engine = TransformersValueModel((model, word_tokenizer()), name="prm")
    values = await engine.score(make_prompts(20))
    engine.close()
    assert set(values) == {0.0, 1.0}
    model.score.weight.data *= float("nan")
    engine = TransformersValueModel((model, word_tokenizer()), name="prm")
    with pytest.raises(EngineError, match="prm: the value model gave something that is not a number"):
        await engine.score([(5, 6)])
    engine.close()


async def test_lengths_and_empty_requests() -> None:
    engine = TransformersValueModel((value_llama(), word_tokenizer()), cache_tokens=5000)
    assert await engine.score([]) == []
    for prompt in ((), (5,) * (CONTEXT + 1)):
        with pytest.raises(EngineError, match=f"a prompt has {len(prompt)} tokens; 1 to {CONTEXT}"):
            await engine.score([(5, 6), prompt])
    assert len(await engine.score([(5,) * CONTEXT])) == 1
    engine.close()


async def test_cancelled_scores_leave_nothing_behind() -> None:
    engine = TransformersValueModel((value_llama(), word_tokenizer()), cache_tokens=2000)
    asked = [asyncio.create_task(engine.score(make_prompts(60))) for _ in range(4)]
    await asyncio.sleep(0)
    for task in asked[:3]:
        task.cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(item, asyncio.CancelledError) for item in found] == [True] * 3 + [False]
    await engine.score([(5,)])
    engine.close()
    assert engine.stats()["running"] == 0
    assert engine._model.cache.available == 2000


@pytest.mark.parametrize("labels", [2, 3])
def test_more_labels_are_refused(labels: int, tmp_path: Path) -> None:
    value_llama(labels).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}.*one regression label.*has {labels}"):
        TransformersValueModel(tmp_path)
    with pytest.raises(InputError, match=rf"one label \(num_labels 1\), this one {labels}"):
        TransformersValueModel((value_llama(labels), word_tokenizer()))


def test_a_policy_is_no_value_model(tmp_path: Path) -> None:
    model = llama()
    model.config.num_labels = 1
    model.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds a language model"):
        TransformersValueModel(tmp_path)
    with pytest.raises(InputError, match="no linear head"):
        TransformersValueModel((model, word_tokenizer()))


async def test_a_folder_gives_the_values_of_its_model(tmp_path: Path) -> None:
    model, prompts = value_llama(), make_prompts(5)
    model.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    engine = TransformersValueModel(tmp_path)
    assert engine.name == tmp_path.name
    assert engine.context == CONTEXT
    assert await engine.score(prompts) == pytest.approx(padded_logits(model, prompts, "right"), abs=2e-5)
    engine.close()


def test_a_step_without_token_ids_is_encoded() -> None:
    """A policy behind a server gives text alone; its steps must not be read as nothing."""
    tokenizer = word_tokenizer()
    engine = TransformersValueModel((value_llama(), tokenizer))
    text = "1 + 2 = 3\n"
    assert engine.tokens(Step(text)) == tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert engine.tokens(Step("=0", (7, 8))) == (7, 8)
    assert engine.tokens(Step(text, (7, 8))) == engine.tokens(Step(text)), "they are of another vocabulary"
    engine.close()
