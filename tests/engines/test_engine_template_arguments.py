"""Arguments of chat templates, from a recipe and from the folder of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.open import open_policy, open_value
from restmcts.engines.settings import ModelSettings
from restmcts.errors import InputError
from restmcts.loops.checks import check_trainable
from restmcts.prompts import PromptFormat, decode, save_format
from store.events import Step
from tests.engines.engine_models import llama, merging_tokenizer, value_llama
from tests.engines.test_engine_prompts import THINKING, sentence_piece_tokenizer
from tests.engines.vllm_support import MODELS, needs_vllm, save

OFF = {"enable_thinking": False}


def folder(path: Path, make: Any) -> Path:
    tokenizer = merging_tokenizer()
    tokenizer.chat_template = THINKING
    return save(make(vocab_size=len(tokenizer)), path, tokenizer)


@pytest.mark.parametrize("engine", ["transformers", pytest.param("vllm", marks=needs_vllm)])
def test_policy_and_value_model_read_the_same_prompt(tmp_path: Path, engine: str) -> None:
    models = MODELS.model_copy(update={"engine": engine, "chat_template_arguments": OFF})
    policy = open_policy(folder(tmp_path / "policy", llama), models, name="p")
    value = open_value(folder(tmp_path / "value", value_llama), models, name="v")
    prompt = policy.prompt("1+1?")
    assert decode(merging_tokenizer(), prompt).endswith("!")
    assert value.prompt("1+1?") == prompt
    policy.close()
    value.close()


def test_the_recipe_comes_before_the_folder(tmp_path: Path) -> None:
    path = folder(tmp_path, llama)
    save_format(path, PromptFormat(chat_template_arguments=OFF))
    for arguments, ending in (({}, True), ({"enable_thinking": True}, False)):
        policy = open_policy(path, ModelSettings(chat_template_arguments=arguments), name="p")
        assert decode(merging_tokenizer(), policy.prompt("1+1?")).endswith("!") == ending
        policy.close()


def test_a_loop_that_trains_takes_them_from_the_folder() -> None:
    check_trainable(ModelSettings())
    with pytest.raises(InputError, match=r"chat_template_arguments: .* restmcts\.json"):
        check_trainable(ModelSettings(chat_template_arguments=OFF))


def test_steps_of_a_server_are_lines_for_the_value_model(tmp_path: Path) -> None:
    """Encoded alone they would begin with a blank in such a vocabulary."""
    tokenizer = sentence_piece_tokenizer()
    path = save(value_llama(vocab_size=len(tokenizer)), tmp_path, tokenizer)
    value = open_value(path, ModelSettings(), name="v")
    blank = tokenizer.convert_tokens_to_ids("\u2581")
    assert blank not in value.tokens(Step("1+1=2\n"))
    value.close()
