"""Model folders: what is wrong with one is said in one line that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, MambaConfig

from restmcts.engines import loading
from restmcts.engines.base import SamplingRequest
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.errors import InputError
from restmcts.prompts import PromptFormat, save_format
from tests.engines.engine_models import CONTEXT, END, llama, word_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    llama().save_pretrained(path)
    word_tokenizer().save_pretrained(path)
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        TransformersPolicy(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


async def test_a_folder_gives_the_steps_of_its_model(folder: Path) -> None:
    save_format(folder, PromptFormat(template="9 {problem}\n"))
    loaded = TransformersPolicy(folder)
    lent = TransformersPolicy((llama(), word_tokenizer()), name="lent")
    assert (loaded.name, lent.name) == ("model", "lent")
    assert loaded.context == CONTEXT
    assert loaded.prompt("7") == lent.prompt("9 7")
    how: dict[str, Any] = {"seeds": [1, 2, 3], "max_tokens": 9, "until": "step", "temperature": 1.0}
    assert await loaded.propose(SamplingRequest((1, 9), **how)) == await lent.propose(
        SamplingRequest((1, 9), **how)
    )
    loaded.close()
    lent.close()


async def test_bfloat16_runs(folder: Path) -> None:
    engine = TransformersPolicy(folder, dtype="bfloat16")
    samples = await engine.propose(
        SamplingRequest((1, 9), seeds=range(4), max_tokens=30, until="end", temperature=1)
    )
    assert all(sample.generated for sample in samples)
    engine.close()


def test_loading_writes_nothing_on_the_screen(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loading.load_policy(folder)
    with pytest.raises(InputError):
        loading.load_value_model(folder)
    assert capfd.readouterr() == ("", "")


def test_no_folder(tmp_path: Path) -> None:
    assert "no such model folder" in refusal(tmp_path / "nowhere")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "no config.json" in refusal(folder)


def test_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    assert "config.json" in refusal(folder)


def test_no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "no tokenizer" in refusal(folder)


def test_broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "the tokenizer cannot be loaded" in refusal(folder)


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no weights" in refusal(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "model.safetensors: cut off" in refusal(folder)


def test_pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pickle" in refusal(folder)


def test_weights_of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    assert "the weights lack model.layers.2" in refusal(folder)


def test_code_in_the_folder_is_never_run(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "unheard-of"
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()")
    refusal(folder)
    assert not mark.exists()


def test_a_tokenizer_without_an_end() -> None:
    tokenizer = word_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="base: the tokenizer has no end-of-text token"):
        TransformersPolicy((llama(), tokenizer), name="base")


def test_layers_that_cannot_be_cached() -> None:
    sizes: dict[str, Any] = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}
    model = AutoModelForCausalLM.from_config(MambaConfig(**sizes))
    with pytest.raises(InputError, match=r"ssm: .*another engine"):
        TransformersPolicy((model, word_tokenizer()), name="ssm")


def test_all_end_tokens_count() -> None:
    model = llama()
    assert loading.end_tokens(model, word_tokenizer()) == (END,)
    model.generation_config.eos_token_id = [7, 3]
    assert loading.end_tokens(model, word_tokenizer()) == (END, 3, 7)


def test_the_context_is_the_smaller_limit() -> None:
    tokenizer = word_tokenizer()
    assert loading.context_length(llama(), tokenizer) == CONTEXT
    tokenizer.model_max_length = 50
    assert loading.context_length(llama(), tokenizer) == 50


def test_devices_and_numbers() -> None:
    assert loading.find_dtype("bfloat16") is torch.bfloat16
    assert loading.find_device("cpu").type == "cpu"
    assert loading.find_device("auto").type in ("cpu", "cuda")
    with pytest.raises(InputError, match="dtype 'int3' is unknown"):
        loading.find_dtype("int3")
    with pytest.raises(InputError, match="device 'toaster' is unknown"):
        loading.find_device("toaster")
