"""What is wrong with the settings or the folder of a process reward model is said before any search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.prm_settings import PrmSettings
from restmcts.engines.settings import ModelSettings
from restmcts.engines.transformers.prm import TransformersPrm
from restmcts.errors import InputError
from restmcts.loops.checks import check_trainable
from restmcts.recipe import override_values, recipe_toml
from restmcts.settings import checked
from restmcts.stored_recipes import stored_recipe
from restmcts.training.checkpoint import load_policy
from restmcts.training.values.model import value_model
from tests.engines.engine_models import llama, value_llama, word_tokenizer
from tests.engines.prm_models import (
    CHAT,
    QWEN,
    SHEPHERD,
    byte_tokenizer,
    chat_tokenizer,
    mistral_prm,
    published_weights,
    token_classifier,
    write,
    write_published,
)

TABLES: dict[str, Any] = {"recipe": "r", "models": {"policy": "p", "value": "v"}, "problems": {"train": "t"}}


def expanded(**values: Any) -> dict[str, Any]:
    return checked(PrmSettings, values, "prm").model_dump(exclude_none=True)


def test_presets_expand() -> None:
    assert expanded(preset="math-shepherd") == {
        "preset": "math-shepherd",
        "style": "good-bad-token",
        "template": "{problem} ",
        "tag": "ки",
        "tag_tokens": 1,
        "between": "\n",
        "good": "+",
        "bad": "-",
        "good_label": 1,
    }
    assert expanded(preset="qwen2.5-math-prm") == {
        "preset": "qwen2.5-math-prm",
        "style": "step-classifier",
        "system": "Please reason step by step, and put your final answer within \\boxed{}.",
        "tag": "<extra_0>",
        "tag_tokens": 1,
        "between": "",
        "good_label": 1,
    }


@pytest.mark.parametrize("preset", ["math-shepherd", "qwen2.5-math-prm"])
def test_a_stored_recipe_says_everything(preset: str, tmp_path: Path) -> None:
    overrides = [f"models.prm.preset={preset}", "models.prm.between= next "]
    recipe = override_values(dict(TABLES, models=dict(TABLES["models"])), overrides, "search")
    assert recipe.models.prm is not None
    assert recipe.models.prm.between == " next "
    folder = tmp_path / "runs" / "r"
    folder.mkdir(parents=True)
    text = recipe_toml(recipe)
    (folder / "run.toml").write_text(text.replace(f'preset = "{preset}"\n', ""), "utf-8")
    without = stored_recipe(tmp_path, "r")[0].models.prm
    assert without is not None
    assert without.model_copy(update={"preset": preset}) == recipe.models.prm


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, "missing key 'style'"),
        ({"style": "step-classifier"}, "missing key 'tag'"),
        ({"style": "step-classifier", "tag": ""}, "tag: .*at least 1 character"),
        ({"preset": "math-sheperd"}, "preset: .*'math-shepherd' or 'qwen2.5-math-prm'"),
        ({"preset": "math-shepherd", "tags": "x"}, "unknown key 'tags': did you mean 'tag'"),
        ({"preset": "math-shepherd", "template": "Q: "}, r"template must contain \{problem\} once"),
        ({"preset": "math-shepherd", "template": "{problem}{problem}"}, "template must contain .* once"),
        ({"preset": "math-shepherd", "system": "x"}, "system belongs to the chat template"),
        ({"style": "good-bad-token", "tag": "x", "good": "+"}, "bad is missing: give the text .* or bad_id"),
        ({"style": "good-bad-token", "tag": "x", "bad_id": 1}, "good is missing"),
        ({"preset": "qwen2.5-math-prm", "good": "+"}, "good and good_id belong to the style good-bad-token"),
        ({"preset": "qwen2.5-math-prm", "bad_id": 3}, "bad and bad_id belong to the style good-bad-token"),
        ({"preset": "qwen2.5-math-prm", "good_label": 2}, "good_label: "),
        ({"preset": "math-shepherd", "good_id": -1}, "good_id: "),
    ],
)  # fmt: skip
def test_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(PrmSettings, values, "prm")


def test_a_prm_needs_its_folder() -> None:
    with pytest.raises(InputError, match="prm says how to read the value model, but value is missing"):
        checked(ModelSettings, {"prm": {"preset": "math-shepherd"}}, "models")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tag": "кии"}, r"the step tag 'кии' has 2 tokens in this tokenizer, not 1"),
        ({"tag_tokens": 2}, r"the step tag 'ки' has 1 tokens in this tokenizer, not 2"),
        ({"tag": "<unk>"}, "the step tag '<unk>' is unknown"),
        ({"tag_id": 5}, r"the step tag 'ки' ends with token \d+, but models.prm.tag_id is 5"),
        ({"template": "ки {problem}"}, "the step tag 'ки' stands in the prompt before any step"),
        ({"between": " ки"}, "the step tag 'ки' stands in the prompt before any step"),
        ({"good": "++"}, r"the good token '\+\+' has 2 tokens in this tokenizer, not 1"),
        ({"bad": ""}, "the bad token '' has 0 tokens"),
        ({"good": "<unk>"}, "the good token '<unk>' is unknown"),
        ({"bad": "+"}, "the good and the bad token are the same"),
        ({"good_id": 5}, r"the good token '\+' has the id \d+, but models.prm.good_id is 5"),
        ({"bad": None, "bad_id": 10**6}, "the bad token 1000000 has the id 1000000, but the model has"),
        ({"bad": None, "bad_id": 3}, "the bad token 3 is unknown"),
        ({"template": None}, "the tokenizer has no chat template; set models.prm.template"),
    ],
)
def test_settings_that_do_not_fit_the_tokenizer(changes: dict[str, Any], message: str) -> None:
    tokenizer = byte_tokenizer()
    assert tokenizer.unk_token_id == 3
    model = mistral_prm(len(tokenizer))
    settings = SHEPHERD.model_copy(update=changes)
    with pytest.raises(InputError, match=f"^prm: {message}"):
        TransformersPrm((model, tokenizer), settings, name="prm")


def test_ids_that_agree_with_their_texts() -> None:
    tokenizer = byte_tokenizer()
    tag, good, bad = (tokenizer(text)["input_ids"][0] for text in ("ки", "+", "-"))
    settings = SHEPHERD.model_copy(update={"tag_id": tag, "good_id": good, "bad": None, "bad_id": bad})
    engine = TransformersPrm((mistral_prm(len(tokenizer)), tokenizer), settings)
    engine.close()
    assert engine.prompts.tag == (tag,)


@pytest.mark.parametrize("missing", ["tag", "good", "bad"])
def test_tokens_that_the_model_has_not(missing: str) -> None:
    """A tokenizer that is larger than its model."""
    tokenizer = byte_tokenizer("<last>")
    limit = len(tokenizer) - 1
    settings = SHEPHERD.model_copy(update={missing: "<last>"})
    with pytest.raises(InputError, match=f"'<last>' has the id {limit}, but the model has {limit} tokens"):
        TransformersPrm((mistral_prm(limit), tokenizer), settings)


@pytest.mark.parametrize(
    "template, message",
    [
        ("{{ raise_exception('no system turn') }}", "the chat template cannot be used: .*no system turn"),
        ("{{ messages[0].content }}", "does not keep the problem once and the steps after it"),
        (CHAT.replace("{{ turn.content }}", "{{ turn.content * 2 }}"), "does not keep the problem once"),
        (CHAT.replace("assistant\n", "assistant\n<think>\n"), "does not keep the problem"),
    ],
)  # fmt: skip
def test_chat_templates_that_cannot_hold_steps(template: str, message: str) -> None:
    tokenizer = chat_tokenizer()
    model = token_classifier(len(tokenizer))
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=f"^prm: .*{message}"):
        TransformersPrm((model, tokenizer), QWEN, name="prm")


def refused(folder: Path, settings: PrmSettings) -> str:
    with pytest.raises(InputError) as caught:
        TransformersPrm(folder, settings)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_folders_of_another_kind(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    regression = write(tmp_path / "regression", value_llama(), word_tokenizer())
    assert "holds a classifier (LlamaForSequenceClassification)" in refused(regression, SHEPHERD)
    assert "holds LlamaForSequenceClassification by its config.json" in refused(regression, QWEN)
    policy = write(tmp_path / "policy", llama(), word_tokenizer())
    assert "holds LlamaForCausalLM by its config.json" in refused(policy, QWEN)
    three = write(tmp_path / "three", token_classifier(len(tokenizer), labels=3), tokenizer)
    assert "a step classifier has two labels, this one 3" in refused(three, QWEN)
    published = write_published(tmp_path / "published", tokenizer, *published_weights(len(tokenizer)))
    assert "holds a classifier (Qwen2ForProcessRewardModel)" in refused(published, SHEPHERD)


def test_models_of_another_kind() -> None:
    tokenizer = chat_tokenizer()
    with pytest.raises(InputError, match="prm: a step classifier has two labels, this one 3"):
        TransformersPrm((token_classifier(len(tokenizer), 3), tokenizer), QWEN, name="prm")
    with pytest.raises(InputError, match="prm: no linear head named score or classifier"):
        TransformersPrm((mistral_prm(len(tokenizer)), tokenizer), QWEN, name="prm")


@pytest.mark.parametrize("key", ["score.0.weight", "score.2.bias", "model.norm.weight"])
def test_published_weights_that_are_missing(key: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tokenizer = chat_tokenizer()
    folder = write_published(tmp_path, tokenizer, *published_weights(len(tokenizer)))
    weights = load_file(folder / "model.safetensors")
    del weights[key]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert f"the weights lack {key}" in refused(folder, QWEN)


def test_published_weights_in_a_pickle_are_refused(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    folder = write_published(tmp_path, tokenizer, *published_weights(len(tokenizer)))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pickle" in refused(folder, QWEN)


def test_training_does_not_start_from_a_prm(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    published = write_published(tmp_path / "published", tokenizer, *published_weights(len(tokenizer)))
    classifier = write(tmp_path / "classifier", token_classifier(len(tokenizer)), tokenizer)
    for folder in (published, classifier):
        name = json.loads((folder / "config.json").read_text())["architectures"][0]
        for start in (value_model, load_policy):
            with pytest.raises(InputError, match=rf"holds a process reward model \({name}\)"):
                start(folder)


def test_the_loop_does_not_train_a_prm() -> None:
    plain = override_values(dict(TABLES, models=dict(TABLES["models"])), [], "r")
    check_trainable(plain.models)
    models = plain.models.model_copy(update={"prm": QWEN})
    with pytest.raises(InputError, match=r"models\.prm: .* cannot be trained further"):
        check_trainable(models)
