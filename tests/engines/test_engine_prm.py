"""Published process reward models against plain forward passes over the published text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from restmcts.engines.open import open_value
from restmcts.engines.settings import ModelSettings
from restmcts.engines.transformers.prm import TransformersPrm
from restmcts.errors import EngineError
from tests.engines.prm_models import (
    QWEN,
    SHEPHERD,
    SYSTEM,
    TAG,
    byte_tokenizer,
    chat_tokenizer,
    mistral_prm,
    prompts,
    published_weights,
    sentencepiece_tokenizer,
    token_classifier,
    write,
    write_published,
)

PROBLEM = "Tom has 3 bags of 4 apples and eats 2. How many are left?"
SOLUTIONS = [
    ["3 * 4 = 12\n", "12 - 2 = 10\n", "The answer is 10"],
    ["3 * 4 = 12\n", "12 + 2 = 14\n"],
    ["3 + 4 = 7\n"],
    ["\n  It is (3*4)-2.\n", "- so 10 + 0\n", "=> 10\n", "done"],
]


def shepherd_text(steps: list[str], before_tag: str) -> str:
    """The input of the model card of Math-Shepherd: the problem and the steps, a tag and a newline after
    each."""
    return f"{PROBLEM} " + "\n".join(f"{step.strip()}{before_tag}{TAG}" for step in steps)


def qwen_text(steps: list[str]) -> str:
    """The input of the model card of Qwen2.5-Math-PRM, in the chat format of Qwen."""
    answer = "<extra_0>".join(step.strip() for step in steps) + "<extra_0>"
    turns = [("system", SYSTEM), ("user", PROBLEM), ("assistant", answer)]
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def padded(texts: list[list[int]], side: str) -> dict[str, torch.Tensor]:
    longest = max(map(len, texts))
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        place = slice(longest - len(text), None) if side == "left" else slice(len(text))
        ids[row, place] = torch.tensor(text)
        mask[row, place] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}


def at_tags(probabilities: torch.Tensor, ids: torch.Tensor, tag: int) -> list[list[float]]:
    return [row[place == tag].tolist() for row, place in zip(probabilities, ids, strict=True)]


@torch.no_grad()
def plain_shepherd(model: Any, tokenizer: Any, before_tag: str, side: str) -> list[list[float]]:
    texts = [tokenizer(shepherd_text(steps, before_tag))["input_ids"] for steps in SOLUTIONS]
    good, bad, tag = (tokenizer(text)["input_ids"][-1] for text in ("+", "-", TAG))
    batch = padded(texts, side)
    pairs = model(**batch).logits[:, :, [good, bad]]
    return at_tags(pairs.softmax(-1)[..., 0], batch["input_ids"], tag)


@torch.no_grad()
def plain_qwen(logits: Any, tokenizer: Any, side: str) -> list[list[float]]:
    batch = padded([tokenizer(qwen_text(steps))["input_ids"] for steps in SOLUTIONS], side)
    tag = tokenizer.convert_tokens_to_ids("<extra_0>")
    return at_tags(logits(batch).softmax(-1)[..., 1], batch["input_ids"], tag)


async def scores(engine: TransformersPrm) -> list[list[float]]:
    """The values of all beginnings of all solutions, asked for side by side."""
    asked = [engine.score(prompts(engine, PROBLEM, steps)) for steps in SOLUTIONS]
    found = await asyncio.gather(*asked)
    engine.close()
    return [list(row) for row in found]


def assert_same(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(row) for row in expected] == [len(steps) for steps in SOLUTIONS]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)
    values = [value for row in found for value in row]
    assert len({value for value in values if 0.01 < value < 0.99}) >= 4, "values that all differ"


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("reproducible", [True, False])
@pytest.mark.parametrize("make, before_tag", [(byte_tokenizer, ""), (sentencepiece_tokenizer, " ")])
async def test_math_shepherd(make: Any, before_tag: str, reproducible: bool, side: str) -> None:
    tokenizer = make()
    model = mistral_prm(len(tokenizer))
    expected = plain_shepherd(model, tokenizer, before_tag, side)
    engine = TransformersPrm((model, tokenizer), SHEPHERD, reproducible=reproducible)
    assert_same(await scores(engine), expected)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("reproducible", [True, False])
async def test_a_token_classifier(reproducible: bool, side: str) -> None:
    tokenizer = chat_tokenizer()
    model = token_classifier(len(tokenizer))
    expected = plain_qwen(lambda batch: model(**batch).logits, tokenizer, side)
    engine = TransformersPrm((model, tokenizer), QWEN, reproducible=reproducible)
    assert_same(await scores(engine), expected)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("reproducible", [True, False])
async def test_the_published_head_of_two_layers(tmp_path: Path, reproducible: bool, side: str) -> None:
    tokenizer = chat_tokenizer()
    decoder, head = published_weights(len(tokenizer))

    def logits(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        states = decoder(**batch).last_hidden_state
        inner = F.relu(F.linear(states, head["score.0.weight"], head["score.0.bias"]))
        return F.linear(inner, head["score.2.weight"], head["score.2.bias"])

    expected = plain_qwen(logits, tokenizer, side)
    folder = write_published(tmp_path, tokenizer, decoder, head)
    engine = TransformersPrm(folder, QWEN, reproducible=reproducible)
    assert engine.name == tmp_path.name
    assert_same(await scores(engine), expected)
    assert not (folder / "ran").exists()


async def test_the_other_label_is_the_rest() -> None:
    tokenizer = chat_tokenizer()
    found = [
        await scores(
            TransformersPrm(
                (token_classifier(len(tokenizer)), tokenizer), QWEN.model_copy(update={"good_label": label})
            )
        )
        for label in (0, 1)
    ]
    pairs = [(zero, one) for rows in zip(*found, strict=True) for zero, one in zip(*rows, strict=True)]
    assert all(zero + one == pytest.approx(1, abs=2e-6) for zero, one in pairs)
    assert any(abs(zero - one) > 0.1 for zero, one in pairs)


def engine_of(style: str, tmp_path: Path, **options: Any) -> TransformersPrm:
    """One engine of each kind."""
    if style == "tokens":
        tokenizer = byte_tokenizer()
        return TransformersPrm((mistral_prm(len(tokenizer)), tokenizer), SHEPHERD, **options)
    tokenizer = chat_tokenizer()
    if style == "labels":
        return TransformersPrm((token_classifier(len(tokenizer)), tokenizer), QWEN, **options)
    folder = write_published(tmp_path, tokenizer, *published_weights(len(tokenizer)))
    return TransformersPrm(folder, QWEN, **options)


STYLES = ["tokens", "labels", "published"]


@pytest.mark.parametrize("style", STYLES)
async def test_a_value_does_not_depend_on_its_batch(style: str, tmp_path: Path) -> None:
    together = await scores(engine_of(style, tmp_path))
    alone = []
    for steps in SOLUTIONS:
        rows = []
        for number in range(len(steps)):
            engine = engine_of(style, tmp_path)
            rows += await engine.score(prompts(engine, PROBLEM, steps)[number : number + 1])
            engine.close()
        alone.append(rows)
    assert alone == together


@pytest.mark.parametrize("style", STYLES)
async def test_a_value_does_not_depend_on_how_its_prompt_is_cut(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forward pass may end within a prompt, and then has no value to give."""
    whole = engine_of(style, tmp_path)
    expected, passes = await scores(whole), whole.stats()["forward_passes"]
    monkeypatch.setattr("restmcts.engines.transformers.scoring.FORWARD_TOKENS", 16)
    cut = engine_of(style, tmp_path)
    assert await scores(cut) == expected
    assert cut.stats()["forward_passes"] > passes + 3


@pytest.mark.parametrize("style", STYLES)
async def test_children_reuse_their_parent(style: str, tmp_path: Path) -> None:
    engine = engine_of(style, tmp_path)
    parent, child, sibling = (
        prompts(engine, PROBLEM, steps)[-1]
        for steps in (["3 * 4 = 12\n"], ["3 * 4 = 12\n", "1\n"], ["3 * 4 = 12\n", "2\n"])
    )
    assert child[: len(parent)] == sibling[: len(parent)] == parent
    await engine.score([parent])
    before = engine.stats()
    await asyncio.gather(engine.score([child]), engine.score([sibling]))
    after = engine.stats()
    engine.close()
    assert after["forward_passes"] - before["forward_passes"] == 1
    between = len(engine.prompts.between)
    # The sibling shares with the child what is between the parent's tag and the step too.
    assert after["cached_tokens"] - before["cached_tokens"] == 2 * (len(parent) - between) + between
    assert after["prompt_tokens"] - before["prompt_tokens"] == len(child) + len(sibling) - 2 * between


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
async def test_what_is_not_finite_is_an_error(style: str, bad: float, tmp_path: Path) -> None:
    engine = engine_of(style, tmp_path, name="prm")
    model = engine._model.model
    prompt = prompts(engine, PROBLEM, ["1\n"])
    assert len(await engine.score(prompt)) == 1
    engine.close()
    if style == "tokens":
        good = engine.tokenizer("+")["input_ids"][-1]
        model.lm_head.weight.data[good] *= bad
        again = TransformersPrm((model, engine.tokenizer), SHEPHERD, name="prm")
    else:
        last = model.score if style == "labels" else model.score[2]
        last.bias.data[1] = bad
        again = TransformersPrm((model, engine.tokenizer), QWEN, name="prm")
    with pytest.raises(EngineError, match="prm: the value model gave something that is not a number"):
        await again.score(prompt)
    again.close()


@pytest.mark.parametrize("style", ["tokens", "published"])
async def test_bfloat16_is_about_the_same(style: str, tmp_path: Path) -> None:
    engine = engine_of(style, tmp_path / "made")
    if style == "tokens":
        write(tmp_path / "made", engine._model.model, engine.tokenizer)
    settings = SHEPHERD if style == "tokens" else QWEN
    half = TransformersPrm(tmp_path / "made", settings, dtype="bfloat16")
    exact, rough = await scores(engine), await scores(half)
    assert rough != exact
    for mine, theirs in zip(rough, exact, strict=True):
        assert mine == pytest.approx(theirs, abs=0.1)


async def test_a_prompt_ends_with_a_step() -> None:
    engine = engine_of("tokens", Path())
    problem, whole = engine.prompt(PROBLEM), prompts(engine, PROBLEM, ["1\n"])[0]
    for prompt in ((), problem, whole[:-1], (*whole, 40)):
        with pytest.raises(EngineError, match="without a step at its end"):
            await engine.score([prompt])
    assert await engine.score([]) == []
    engine.close()


async def test_a_prompt_fits_the_model() -> None:
    engine = engine_of("tokens", Path())
    long = prompts(engine, PROBLEM, ["1" * engine.context])
    with pytest.raises(EngineError, match=f"1 to {engine.context} are possible"):
        await engine.score(long)
    engine.close()


@pytest.mark.parametrize("prm, kind", [(None, "TransformersValueModel"), (QWEN, "TransformersPrm")])
def test_the_settings_choose_the_engine(prm: Any, kind: str, tmp_path: Path) -> None:
    from tests.engines.engine_models import value_llama, word_tokenizer

    tokenizer = chat_tokenizer()
    if prm is None:
        write(tmp_path, value_llama(), word_tokenizer())
    else:
        write(tmp_path, token_classifier(len(tokenizer)), tokenizer)
    models = ModelSettings(value=str(tmp_path), prm=prm, device="cpu", cache_tokens=777)
    engine: Any = open_value(tmp_path, models, name="judge")
    engine.close()
    assert type(engine).__name__ == kind
    assert engine.name == "judge"
    assert engine._model.cache.capacity == 777
