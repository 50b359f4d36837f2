"""Reading and writing model folders: ordinary Hugging Face folders, safetensors only."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from restmcts.engines import loading
from restmcts.engines.examination import check_plain_weights, examine
from restmcts.engines.messages import explained, quiet
from restmcts.engines.soundness import check_all_used, check_causal, check_finite
from restmcts.errors import InputError
from restmcts.evaluation.answer_file import ANSWERS
from store.files.atomic import writing
from store.files.folders import AGAIN, MARKER, target_of

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_MODEL_FILES = {ANSWERS, "adapter_config.json", "config.json", "generation_config.json", MARKER}
_MODEL_ENDINGS = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".py", ".md"}


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn what the writers of weights and tokenizers raise into one line that says what to do.

    Raises:
        StoreError: the system refused to write, for example because the disk is full.
    """
    with writing(target_of(folder), AGAIN):
        try:
            yield
        except OSError:
            raise
        except Exception as error:  # safetensors has a class of its own, tokenizers raises Exception itself
            code = _SYSTEM_ERROR.search(str(error))
            if code is None:
                raise
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


def is_value_model(config: Any) -> bool:
    """Whether a configuration is one of a sequence classifier, the form of our value models."""
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or ())


def check_trainable(source: Path) -> None:
    """Refuse a folder that cannot be used, and one that nothing can be trained from.

    That is a published process reward model, or one with quantised weights.

    Raises:
        InputError: it is one of these.
    """
    examine(source)
    check_plain_weights(source)
    names = loading.architectures(source)
    if any(name.endswith(("ForTokenClassification", "ForProcessRewardModel")) for name in names):
        raise InputError(
            f"{source}: holds a process reward model ({', '.join(names)}); training starts from a policy, or "
            "from a value model with one regression label"
        )


def check_policy(source: Path) -> None:
    """Refuse a folder that holds no policy to train.

    Raises:
        InputError: it does not.
    """
    check_trainable(source)
    if is_value_model(loading.load_config(source)):
        raise InputError(f"{source}: holds a value model, but a policy (a causal language model) is needed")


def load_policy(source: Path) -> Any:
    """The causal language model of a folder, in float32; an adapter is merged into its base.

    Raises:
        InputError: the folder does not hold one.
    """
    check_policy(source)
    with quiet():
        model = loading.load_policy(source)[0]
    check_causal(model, source)
    return model


def load_value_model(source: Path) -> Any:
    """The value model of a folder, in float32.

    Raises:
        InputError: the folder does not hold one.
    """
    with quiet():
        return loading.load_value_model(source)[0]


def load_tokenizer(source: Path) -> Any:
    """The tokenizer of a model folder.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    loading.load_config(source)
    with quiet():
        return loading.load_tokenizer(source)


def classifier_from_policy(source: Path, config: Any) -> Any:
    """A sequence classifier of ``config`` with the weights of the policy in ``source``, in float32.

    The weights that a policy has not, those of the head and of layers above its own, are drawn from
    torch's random number generator.

    Raises:
        InputError: the folder does not hold a policy that can be loaded.
    """
    model: Any
    with (
        loading.as_whole(source) as whole,
        explained(f"{source}: no value model can be made from it"),
        quiet(),
    ):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            whole,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    check_all_used(report, source, within=f"{model.base_model_prefix}.")
    check_finite(model, source)
    check_causal(model, source)
    return model


def save(model: Any, folder: Path, source: Path, dtype: str) -> None:
    """Write ``model`` in type ``dtype``, and beside it everything of ``source`` that is not the model.

    That is the tokenizer and the format of the prompts, byte for byte; not the constants of answer rules.

    Raises:
        StoreError: it cannot be written.
    """
    with saving(folder):
        with quiet():
            model.to(getattr(torch, dtype)).save_pretrained(folder)
        copy_others(source, folder)


def copy_others(source: Path, folder: Path) -> None:
    """Copy everything of ``source`` that is not the model.

    Raises:
        OSError: it cannot be written.
    """
    for path in sorted(source.iterdir()):
        model_file = path.name in _MODEL_FILES or path.suffix in _MODEL_ENDINGS
        if path.is_file() and not model_file and not path.name.endswith(".index.json"):
            shutil.copyfile(path, folder / path.name)
