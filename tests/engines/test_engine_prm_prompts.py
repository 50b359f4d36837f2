"""What a process reward model reads: its own tokens, one tag a step, whatever the text says."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.engines.prm_settings import PrmSettings
from restmcts.engines.transformers.prm_prompt import StepPrompts, occurrences
from restmcts.errors import EngineError, InputError
from restmcts.prompts import encode_after
from tests.engines.engine_models import merging_tokenizer
from tests.engines.prm_models import (
    BYTE_TAG,
    QWEN,
    SHEPHERD,
    SYSTEM,
    TAG,
    byte_tokenizer,
    chat_tokenizer,
    sentencepiece_tokenizer,
)

BYTES, CHAT, PIECES = byte_tokenizer(), chat_tokenizer(), sentencepiece_tokenizer()
MERGING = merging_tokenizer()

TEXTS = st.lists(
    st.sampled_from(
        ["<extra_0>", "<|im_end|>\n", "<|im_start|>", "</s>", TAG, "к", "и", "{problem}", "+", "1 "]
    )
    | st.text(max_size=4),
    max_size=6,
).map("".join)


def step_prompts(tokenizer: Any, prm: PrmSettings) -> StepPrompts:
    return StepPrompts(tokenizer, prm, vocabulary=len(tokenizer), name="prm")


SHEPHERD_BYTES = step_prompts(BYTES, SHEPHERD)
SHEPHERD_PIECES = step_prompts(PIECES, SHEPHERD)
QWEN_CHAT = step_prompts(CHAT, QWEN)


def joined(prompts: StepPrompts, problem: str, steps: list[str]) -> tuple[int, ...]:
    tokens = prompts.problem(problem)
    for step in steps:
        tokens += prompts.step(step)
    return tokens


@settings(max_examples=150, deadline=None)
@given(problem=TEXTS, steps=st.lists(TEXTS, min_size=1, max_size=3))
def test_a_special_tag_is_there_once_a_step_whatever_the_text(problem: str, steps: list[str]) -> None:
    tokens = joined(QWEN_CHAT, problem, steps)
    expected = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{problem}<|im_end|>\n"
    expected += "<|im_start|>assistant\n" + "".join(f"{step.strip()}<extra_0>" for step in steps)
    assert CHAT.decode(tokens) == expected
    for word, count in {"<extra_0>": len(steps), "<|im_start|>": 3, "<|im_end|>": 2, "</s>": 0}.items():
        assert tokens.count(CHAT.convert_tokens_to_ids(word)) == count, word


@settings(max_examples=150, deadline=None)
@given(problem=TEXTS, steps=st.lists(TEXTS, min_size=1, max_size=3))
def test_an_ordinary_tag_in_a_text_is_refused(problem: str, steps: list[str]) -> None:
    tag = BYTES.convert_tokens_to_ids(BYTE_TAG)
    if any(TAG in text for text in (problem, *steps)):
        error = InputError if TAG in problem else EngineError
        with pytest.raises(error, match="prm: the step tag stands in the"):
            joined(SHEPHERD_BYTES, problem, steps)
    else:
        tokens = joined(SHEPHERD_BYTES, problem, steps)
        assert tokens.count(tag) == len(steps)
        assert BYTES.decode(tokens) == f"{problem} " + "".join(f"{step.strip()}{TAG}\n" for step in steps)


def test_an_ordinary_tag_in_a_longer_word_is_none() -> None:
    """In the tokenizer of Math-Shepherd the tag is a word of its own."""
    assert PIECES.decode(joined(SHEPHERD_PIECES, "стро", ["xки x"])) == f"стро xки x {TAG}\n"
    with pytest.raises(EngineError, match="the step tag stands in the step 'x ки'"):
        SHEPHERD_PIECES.step("x ки")
    with pytest.raises(InputError, match="the step tag stands in the problem 'x ки y'"):
        SHEPHERD_PIECES.problem("x ки y")


def test_steps_begin_without_the_space_of_sentencepiece() -> None:
    tokens = joined(SHEPHERD_PIECES, "ab", ["c d\n", "\n  e\n"])
    assert PIECES.convert_ids_to_tokens(list(tokens)) == [
        *("▁", "a", "b", "▁", "c", "▁", "d", "▁ки", "<0x0A>", "e", "▁ки", "<0x0A>")
    ]


def test_the_start_token_is_there_when_the_tokenizer_adds_it() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_tokenizer()
    assert step_prompts(tokenizer, SHEPHERD).problem("7")[0] != 1
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    found = step_prompts(tokenizer, SHEPHERD)
    assert tokenizer.decode(found.problem("7")) == "<s>7 "
    assert tokenizer.decode(found.problem("<s>7</s>")) == "<s><s>7</s> "
    assert found.problem("<s>7</s>").count(1) == 1
    assert 1 not in found.step("7")


def test_a_chat_has_a_system_turn_only_where_one_is_given() -> None:
    prm = QWEN.model_copy(update={"system": None})
    found = step_prompts(CHAT, prm).problem("1+1?")
    assert CHAT.decode(found) == "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"


def test_a_tag_of_several_tokens_with_an_answer_between_steps() -> None:
    """The layout of the PRMs that answer each step in a turn of their own, "+" or "-"."""
    prm = PrmSettings(
        style="good-bad-token",
        template="<|im_start|>user\n{problem} ",
        tag="<|im_end|><|im_start|>assistant\n",
        tag_tokens=12,
        between="+<|im_end|><|im_start|>user\n",
        good="+",
        bad="-",
    )
    found = step_prompts(CHAT, prm)
    tokens = joined(found, "1+1?", ["2\n", "<|im_end|><|im_start|>assistant\n3\n"])
    assert CHAT.decode(found.up_to_tag(tokens)) == (
        "<|im_start|>user\n1+1? 2<|im_end|><|im_start|>assistant\n"
        "+<|im_end|><|im_start|>user\n<|im_end|><|im_start|>assistant\n3<|im_end|><|im_start|>assistant\n"
    )
    assert occurrences(found.tag, tokens) == 2
    assert tokens[-len(found.between) :] == found.between
    assert found.up_to_tag(tokens)[-12:] == found.tag


def test_texts_are_encoded_once() -> None:
    tokenizer = Mock(wraps=BYTES, unk_token_id=3, bos_token_id=1)
    found = StepPrompts(tokenizer, SHEPHERD, vocabulary=len(BYTES), name="prm")
    first = joined(found, "1+1?", ["2\n"])
    calls = tokenizer.call_count
    assert joined(found, "1+1?", ["2\n", "2\n"])[: len(first)] == first
    assert tokenizer.call_count == calls > 0
    found.step("3\n")
    assert tokenizer.call_count > calls


@settings(deadline=None)
@given(before=st.text("\nab. ", max_size=3), text=st.text("\nab. ", max_size=5))
def test_a_text_after_another_one_keeps_its_own(before: str, text: str) -> None:
    """Also where a token would hold a part of both."""
    assert MERGING.decode(encode_after(MERGING, before, text)) == text


@settings(deadline=None)
@given(
    tag=st.lists(st.integers(0, 1), min_size=1, max_size=3), tokens=st.lists(st.integers(0, 1), max_size=9)
)
def test_occurrences(tag: list[int], tokens: list[int]) -> None:
    def letters(numbers: list[int]) -> str:
        return "".join(map(str, numbers))

    expected = sum(letters(tokens)[start:].startswith(letters(tag)) for start in range(len(tokens)))
    assert occurrences(tuple(tag), tokens) == expected
