"""Prompts and steps as token ids."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from restmcts.errors import InputError
from restmcts.prompts import (
    PromptFormat,
    StepEnds,
    StepReader,
    encode,
    line_tokens,
    load_format,
    problem_tokens,
    save_format,
    step_tokens,
)
from store.events import Step
from tests.engines.engine_models import NEWLINE, VOCABULARY, merging_tokenizer, word_tokenizer
from tests.engines.prm_models import sentencepiece_tokenizer

CHAT = (
    "{% for turn in messages %}<s>{{ turn.content }}\n</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>{% endif %}"
)


def chat_tokenizer() -> Any:
    tokenizer = merging_tokenizer()
    tokenizer.chat_template = CHAT
    return tokenizer


def test_a_plain_prompt_is_the_problem_and_a_newline() -> None:
    tokenizer = word_tokenizer()
    assert tokenizer.decode(problem_tokens(tokenizer, "3 + 4")) == "3 + 4\n"
    custom = PromptFormat(template="{instruction} {problem} =", instruction="5")
    assert tokenizer.decode(problem_tokens(tokenizer, "3 + 4", custom)) == "5 3 + 4 ="


def test_braces_in_a_problem_are_text() -> None:
    tokenizer = merging_tokenizer()
    problem = r"what is \boxed{instruction}, {instruction} or {problem}?"
    found = problem_tokens(tokenizer, problem, PromptFormat("{instruction}|{problem}", "{problem}"))
    assert tokenizer.decode(found) == "{problem}|" + problem


def test_a_template_needs_the_problem() -> None:
    with pytest.raises(InputError, match=r"must contain \{problem\}"):
        problem_tokens(word_tokenizer(), "3", PromptFormat(template="3 + 4\n"))


def test_the_start_token_is_there_when_the_tokenizer_adds_it() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert problem_tokens(tokenizer, "7") == (1, 15, NEWLINE)


def test_a_chat_prompt_opens_the_answer() -> None:
    tokenizer = chat_tokenizer()
    text = tokenizer.decode(problem_tokens(tokenizer, "1+1?"))
    assert text.startswith("<s>1+1?\n\n")
    assert "step by step" in text
    assert r"\boxed{}" in text
    assert text.endswith("\n</s><s>")
    bare = problem_tokens(tokenizer, "1+1?", PromptFormat(instruction=""))
    assert tokenizer.decode(bare) == "<s>1+1?\n</s><s>"


def test_a_template_goes_before_the_chat_template() -> None:
    tokenizer = chat_tokenizer()
    found = problem_tokens(tokenizer, "1+1?", PromptFormat(template="Q: {problem}\nA: "))
    assert tokenizer.decode(found) == "Q: 1+1?\nA: "


@pytest.mark.parametrize("make", [word_tokenizer, merging_tokenizer])
def test_a_worked_solution_is_split_as_the_policy_writes_it(make: Any) -> None:
    tokenizer = make()
    steps = step_tokens(tokenizer, "3 + 4 = 7\n\n  7 + 1 = 8  \r\n8.\n\n")
    texts = ["3 + 4 = 7\n", "  7 + 1 = 8\n", "8.\n" if make is merging_tokenizer else "<unk>\n"]
    assert [tokenizer.decode(step.tokens) for step in steps] == texts
    assert [step.ended for step in steps] == [False, False, True]
    joined = [token for step in steps for token in step.tokens]
    assert [*StepEnds(tokenizer).split(joined)] == [step.tokens for step in steps]


def test_lines_of_a_worked_solution_get_no_space_of_their_own() -> None:
    tokenizer = sentencepiece_tokenizer()
    steps = step_tokens(tokenizer, "12 - 2 = 10\n10 + 1")
    assert tokenizer.decode([token for step in steps for token in step.tokens]) == "12 - 2 = 10\n10 + 1\n"
    bare = StepReader(tokenizer, len(tokenizer))(replace(steps[1], tokens=()))
    assert bare == steps[1].tokens


def test_tokens_are_kept_where_they_say_the_text() -> None:
    tokenizer = word_tokenizer()
    read = StepReader(tokenizer, VOCABULARY)
    (step,) = step_tokens(tokenizer, "3 + 4 = 7")
    assert read(step) == step.tokens
    for foreign in ((9, 9, 9), (10**6,), (2**63, 3), (-1, 3), ()):
        assert read(replace(step, tokens=foreign)) == step.tokens
    assert read(Step("", (10**6,))) == ()


def test_a_solution_without_text() -> None:
    with pytest.raises(InputError, match="no text"):
        step_tokens(word_tokenizer(), " \n\n")


def test_a_tokenizer_that_loses_newlines() -> None:
    from tokenizers import pre_tokenizers

    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(InputError, match="loses the newline"):
        step_tokens(tokenizer, "3 + 4")


def test_leading_newlines_do_not_end_a_step() -> None:
    tokenizer = merging_tokenizer()
    ends = StepEnds(tokenizer)
    ids = tokenizer("\n\n\nab.\n\nb\n\na")["input_ids"]
    assert [tokenizer.decode(step) for step in ends.split(ids)] == ["\n\n\nab.\n", "\nb\n\n", "a"]


@given(st.lists(st.integers(0, VOCABULARY - 1)))
def test_splitting_loses_nothing(tokens: list[int]) -> None:
    steps = ENDS.split(tokens)
    assert [token for step in steps for token in step] == tokens
    for step in steps[:-1]:
        assert step[-1] == NEWLINE
        assert any(ENDS.visible[token] for token in step)
        lead = next(i for i, token in enumerate(step) if ENDS.visible[token])
        assert NEWLINE not in step[lead:-1]


ENDS = StepEnds(word_tokenizer())


def test_a_folder_carries_its_format(tmp_path: Path) -> None:
    assert load_format(tmp_path) == PromptFormat()
    kept = PromptFormat(template="{problem}: ", instruction="")
    save_format(tmp_path, kept)
    assert load_format(tmp_path) == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"templates": ""}', "unknown key 'templates'"),
        ('{"template": 3}', "template must be text"),
    ],
)
def test_a_broken_format_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "restmcts.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_format(tmp_path)


def test_prompts_need_no_model_library() -> None:
    code = "import sys, restmcts.prompts; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


THINKING = CHAT + "{% if enable_thinking is defined and not enable_thinking %}!{% endif %}"


def test_arguments_reach_the_chat_template() -> None:
    tokenizer = merging_tokenizer()
    tokenizer.chat_template = THINKING
    plain = tokenizer.decode(problem_tokens(tokenizer, "1+1?"))
    off = PromptFormat().with_arguments({"enable_thinking": False})
    assert tokenizer.decode(problem_tokens(tokenizer, "1+1?", off)) == plain + "!"
    assert PromptFormat().with_arguments({}) == PromptFormat()
    assert off.with_arguments({"enable_thinking": True}).chat_template_arguments == {"enable_thinking": True}


def test_a_folder_keeps_the_arguments_of_its_template(tmp_path: Path) -> None:
    kept = PromptFormat(chat_template_arguments={"enable_thinking": False, "depth": [1, 2]})
    save_format(tmp_path, kept)
    assert load_format(tmp_path) == kept
    save_format(tmp_path, PromptFormat())
    assert "arguments" not in (tmp_path / "restmcts.json").read_text()


@pytest.mark.parametrize("arguments", ["[]", "null", '{"tokenize": false}', '{"chat_template": "x"}'])
def test_arguments_that_are_none_are_refused(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "restmcts.json").write_text(f'{{"chat_template_arguments": {arguments}}}')
    with pytest.raises(InputError, match=r"restmcts\.json: chat_template_arguments"):
        load_format(tmp_path)


def sentence_piece_tokenizer() -> Any:
    """Letters, with a blank before every text that is encoded alone, as in the vocabulary of Llama 2."""
    blank = "\u2581"
    letters = [blank, "\n", *"0123456789+=ab"]
    words = {word: number for number, word in enumerate(["<s>", "</s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.BPE(words, [], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(blank), normalizers.Replace(" ", blank)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(blank, " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def test_a_step_that_is_text_begins_without_the_blank_of_a_text_alone() -> None:
    tokenizer = sentence_piece_tokenizer()
    blank = tokenizer.convert_tokens_to_ids("\u2581")
    assert encode(tokenizer, "1+1=2\n")[0] == blank
    tokens = line_tokens(tokenizer, "1+1=2\n")
    assert tokens == encode(tokenizer, "1+1=2\n")[1:]
    assert line_tokens(tokenizer, " 1")[0] == blank


@given(st.text(alphabet="ab. \n+1", min_size=1, max_size=12))
def test_other_vocabularies_read_a_line_as_they_did(text: str) -> None:
    if not text.startswith("\n"):
        assert line_tokens(MERGING, text) == encode(MERGING, text)


MERGING = merging_tokenizer()
