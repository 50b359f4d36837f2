"""Models and tokenizers from ordinary Hugging Face folders, with errors that say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final, Literal

import torch

from restmcts.engines.adapters import is_adapter, whole_folder
from restmcts.engines.examination import check_described, examine, read_config
from restmcts.engines.messages import explained, quiet
from restmcts.engines.soundness import check_complete, check_finite, check_vocabulary, mend_generation
from restmcts.engines.transformers.adapters import load_adapted, merged
from restmcts.errors import InputError

Device = str
"""``cpu``, ``cuda`` (or ``cuda:1`` ...), or ``auto``: the GPU where there is one.

``meta``: nowhere. The folder is checked, and its model has shapes and settings, but no weights.
"""

DType = Literal["float32", "bfloat16", "float16"]

QWEN2_PRM: Final = "Qwen2ForProcessRewardModel"
"""What the config.json of Qwen2.5-Math-PRM calls its architecture."""

CLASSIFIERS: Final = ("ForSequenceClassification", "ForTokenClassification", "ForProcessRewardModel")
"""How the names of architectures end that have labels instead of next tokens."""

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def load_policy(folder: Path, *, device: Device = "cpu", dtype: DType = "float32") -> tuple[Any, Any]:
    """The causal language model and the tokenizer of a folder; an adapter is merged into its base.

    Raises:
        InputError: the folder is not a usable model folder.
    """
    from transformers import AutoModelForCausalLM

    names = architectures(folder)
    if any(name.endswith(CLASSIFIERS) for name in names):
        raise InputError(
            f"{folder}: holds a classifier ({', '.join(names)}), such as a value model, but a policy is a"
            " causal language model"
        )
    return _with_tokenizer(_load(AutoModelForCausalLM, folder, device, dtype), folder)


def load_value_model(folder: Path, *, device: Device = "cpu", dtype: DType = "float32") -> tuple[Any, Any]:
    """The regression model with one label, and the tokenizer, of a folder.

    Raises:
        InputError: the folder is not a usable model folder, or has another number of labels.
    """
    from transformers import AutoModelForSequenceClassification

    config = load_config(folder)
    names = list(config.architectures or ())
    if names and not any(name.endswith(CLASSIFIERS) for name in names):
        raise InputError(
            f"{folder}: holds a language model ({', '.join(names)}), but a value model is a sequence"
            " classifier; `restmcts train value` makes one from it, and without --value one is bootstrapped"
        )
    if config.num_labels != 1:
        raise InputError(
            f"{folder}: a value model has one regression label (num_labels 1 in config.json), "
            f"this one has {config.num_labels}"
        )
    return _with_tokenizer(_load(AutoModelForSequenceClassification, folder, device, dtype), folder)


def load_reward_language_model(
    folder: Path, *, device: Device = "cpu", dtype: DType = "float32"
) -> tuple[Any, Any]:
    """The causal language model that judges steps by its next token, and the tokenizer, of a folder.

    Raises:
        InputError: the folder is not a usable model folder, or holds a classifier.
    """
    names = architectures(folder)
    if any(name.endswith(CLASSIFIERS) for name in names):
        raise InputError(
            f"{folder}: holds a classifier ({', '.join(names)}), but models.prm.style good-bad-token needs a "
            "causal language model"
        )
    return load_policy(folder, device=device, dtype=dtype)


def load_step_classifier(
    folder: Path, *, device: Device = "cpu", dtype: DType = "float32"
) -> tuple[Any, Any]:
    """The token classifier with two labels, and the tokenizer, of a folder.

    That is any ``…ForTokenClassification``, or a model with the weights of Qwen2.5-Math-PRM, whose own code
    is not run.

    Raises:
        InputError: the folder is not a usable model folder, or holds another kind of model.
    """
    from transformers import AutoModelForTokenClassification

    names = architectures(folder)
    kind: Any = AutoModelForTokenClassification
    if QWEN2_PRM in names:
        from restmcts.engines.transformers.step_classifier import Qwen2StepClassifier

        kind = Qwen2StepClassifier
    elif not any(name.endswith("ForTokenClassification") for name in names):
        raise InputError(
            f"{folder}: holds {', '.join(names) or 'a model without architectures'} by its config.json; "
            f"models.prm.style step-classifier needs …ForTokenClassification or {QWEN2_PRM}"
        )
    elif (labels := load_config(folder).num_labels) != 2:
        raise InputError(f"{folder}: a step classifier has two labels, this one {labels}")
    return _with_tokenizer(_load(kind, folder, device, dtype), folder)


def architectures(folder: Path) -> list[str]:
    """The classes that the configuration of a model folder names.

    Raises:
        InputError: there is no such folder, or no model configuration in it.
    """
    return list(load_config(folder).architectures or ())


def load_config(folder: Path) -> Any:
    """The configuration of a model folder; that of an adapter is the one of its base.

    Raises:
        InputError: there is no such folder, or no model configuration in it.
    """
    from transformers import AutoConfig

    read_config(folder)
    whole = whole_folder(folder)
    with explained(f"{whole}/config.json"):
        config = AutoConfig.from_pretrained(whole, trust_remote_code=False, local_files_only=True)
        # A folder may name the code of an attention that would be fetched and run; what suits is found out.
        config._attn_implementation = None
    return config


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder; it has an end-of-text token.

    Raises:
        InputError: there is none, it cannot be read, or it has no end-of-text token.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(f"{folder}: no tokenizer (none of {', '.join(TOKENIZER_FILES)})")
    with explained(f"{folder}: the tokenizer cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    check_tokenizer(tokenizer, str(folder))
    return tokenizer


def check_tokenizer(tokenizer: Any, name: str) -> None:
    """Refuse a tokenizer without an end-of-text token: nothing would ever end.

    Raises:
        InputError: it has none.
    """
    if tokenizer.eos_token_id is None:
        raise InputError(f"{name}: the tokenizer has no end-of-text token; set eos_token in its config")


def end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids of all tokens that end a text, in order."""
    found = {int(tokenizer.eos_token_id)}
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if named is not None:
        found.update([named] if isinstance(named, int) else named)
    return tuple(sorted(found))


def context_length(model: Any, tokenizer: Any) -> int:
    """The longest text that a model takes, in tokens."""
    return context_of(model.config, tokenizer)


def context_of(config: Any, tokenizer: Any) -> int:
    """The same by the configuration of the model."""
    config = config.get_text_config()
    # A tokenizer that knows no limit says 10 ** 30.
    limits = [tokenizer.model_max_length, 10**9, getattr(config, "max_position_embeddings", None)]
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        # Beyond this length all positions are encoded in another way, which would spoil cached keys.
        limits.append(rope.get("original_max_position_embeddings"))
    return int(min(limit for limit in limits if limit is not None))


def find_device(device: Device) -> torch.device:
    """The device by its name.

    Raises:
        InputError: unknown, or not in this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r} is unknown; use cpu, cuda or auto") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r}: torch sees no GPU here; use cpu or auto")
    return found


def find_dtype(dtype: str) -> torch.dtype:
    """The number format by its name.

    Raises:
        InputError: it is not one of float32, bfloat16, float16.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise InputError(f"dtype {dtype!r} is unknown; use one of {', '.join(known)}")
    return known[dtype]


def _load(kind: Any, folder: Path, device: Device, dtype: DType) -> Any:
    place, numbers = find_device(device), find_dtype(dtype)
    examine(folder)
    check_described(folder)
    if is_adapter(folder) and place.type != "meta":
        base = load_base(kind, folder)
        model = merged(load_adapted(base, folder)).to(numbers)
    else:
        model = _from_folder(kind, whole_folder(folder), place.type, numbers)
    if place.type != "meta":
        check_finite(model, folder)
    mend_generation(model)
    return model.to(place).eval()


def load_base(kind: Any, folder: Path) -> Any:
    """The base of the adapter in a folder, in float32.

    Raises:
        InputError: it is not there, or cannot be used.
    """
    return _from_folder(kind, whole_folder(folder), "cpu", torch.float32)


@contextmanager
def as_whole(folder: Path) -> Iterator[Path]:
    """A folder with the whole model, for a library that reads it by itself.

    An adapter is merged into a temporary folder, which holds the configuration and the weights in
    float32, and no tokenizer.

    Raises:
        InputError: the folder holds no policy that can be used, or there is no space for the whole model.
    """
    if not is_adapter(folder):
        yield folder
        return
    with TemporaryDirectory(prefix="restmcts-merged-") as place:
        with explained(f"{folder}: the adapter cannot be merged into a folder in {gettempdir()}"), quiet():
            load_policy(folder)[0].save_pretrained(place)
        yield Path(place)


def _from_folder(kind: Any, folder: Path, place: str, numbers: torch.dtype) -> Any:
    """The model of a folder with the weights that are there, all of them, or without any."""
    config = load_config(folder)
    with explained(f"{folder}: the model cannot be loaded"), quiet():
        model, report = kind.from_pretrained(
            folder,
            config=config,
            dtype=numbers,
            device_map="meta" if place == "meta" else None,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    check_complete(report, folder)
    return model


def _with_tokenizer(model: Any, folder: Path) -> tuple[Any, Any]:
    """The model with the tokenizer of its folder, whose tokens it all has."""
    tokenizer = load_tokenizer(folder)
    check_vocabulary(model, tokenizer, folder)
    return model, tokenizer
