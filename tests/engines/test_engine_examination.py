"""Model folders that are broken, hostile or of another kind: said at once, in one line that names them."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertLMHeadModel,
    DiffLlamaConfig,
    DiffLlamaForCausalLM,
    GenerationConfig,
)

from restmcts.engines.examination import MOST_LAYERS, check_plain_weights, examine, read_tensors
from restmcts.engines.loading import load_config, load_policy, load_tokenizer, load_value_model
from restmcts.engines.soundness import check_causal, check_finite_files
from restmcts.engines.transformers.policy import TransformersPolicy
from restmcts.engines.transformers.value import TransformersValueModel
from restmcts.errors import InputError
from restmcts.training import checkpoint
from tests.engines.engine_models import VOCABULARY, gpt2, llama, value_llama, word_tokenizer

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 9\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    llama().save_pretrained(path)
    word_tokenizer().save_pretrained(path)
    return path


def configure(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Changes the weights of a folder."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


def split(*names: str) -> Callable[[Path], None]:
    """The weights as the index of a large model has them, under the names given."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
        index = {
            "metadata": {},
            "weight_map": {tensor: names[place % len(names)] for place, tensor in enumerate(tensors)},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return spoil


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pipe(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return spoil


def written(name: str, text: str | bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return spoil


def configured(**changes: object) -> Callable[[Path], None]:
    return lambda folder: configure(folder / "config.json", **changes)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "many layers": (configured(num_hidden_layers=200_000), f"no model has more than {MOST_LAYERS}"),
    "more layers than weights": (configured(num_hidden_layers=900), "describes a larger model"),
    "many experts": (configured(num_local_experts=10**7), "no model has more than"),
    "huge vocabulary": (configured(vocab_size=10**12), "describes a larger model than the weights"),
    "text for a token": (configured(eos_token_id="</s>"), "eos_token_id is '</s>', but token ids are whole"),
    "texts for tokens": (configured(eos_token_id=["</s>"]), "token ids are whole numbers"),
    "text for a size": (configured(hidden_size="64"), "hidden_size is '64', but must be a whole number"),
    "generation settings": (
        written("generation_config.json", '{"eos_token_id": "end"}'),
        "generation_config.json: eos_token_id is 'end'",
    ),
    "nested configuration": (written("config.json", "[" * 100_000), "config.json: nested too deeply"),
    "no object": (written("config.json", "[]"), "holds no JSON object"),
    "nested tokenizer": (
        written("tokenizer.json", '{"a":' * 5_000 + "1" + "}" * 5_000),
        "the tokenizer cannot be loaded",
    ),
    "pointer of the weights": (written("model.safetensors", POINTER), "git lfs pull"),
    "pointer of the configuration": (written("config.json", POINTER), "git lfs pull"),
    "pointer of the tokenizer": (written("tokenizer.json", POINTER), "git lfs pull"),
    "pipe as weights": (pipe("model.safetensors"), "model.safetensors: no file"),
    "pipe as configuration": (pipe("config.json"), "no config.json"),
    "cut off": (cut, "the download is not complete"),
    "empty weights": (written("model.safetensors", b""), "cut off, or no safetensors file"),
    "long header": (written("model.safetensors", struct.pack("<Q", 2**60) + b"{}"), "cut off"),
    "no header": (written("model.safetensors", struct.pack("<Q", 2) + b"[]"), "its header cannot be read"),
    "pickle in the index": (split("evil.bin"), "'evil.bin' is no safetensors file of this folder"),
    "index that leads out": (split("../model.safetensors"), "is no safetensors file of this folder"),
    "absolute index": (split("/etc/model.safetensors"), "is no safetensors file of this folder"),
    "half of the files": (split("model-00001-of-00001.safetensors", "b.safetensors"), "not complete"),
    "other weights": (
        lambda folder: (folder / "model.safetensors").rename(folder / "adapter_model.safetensors"),
        "only adapter_model.safetensors",
    ),
    "adapter": (written("adapter_config.json", "{}"), "only LoRA"),
    "weights elsewhere": (configured(transformers_weights="../x.bin"), "remove this key"),
    "weights left over": (
        weights(lambda tensors: tensors.update({"model.layers.0.extra.weight": torch.ones(2)})),
        "no place for the weights model.layers.0.extra.weight",
    ),
    "not a number": (
        weights(lambda tensors: tensors["model.norm.weight"].__setitem__(3, torch.nan)),
        "model.norm.weight hold something that is not a number",
    ),
    "infinite": (
        weights(lambda tensors: tensors["lm_head.weight"].__setitem__((3, 3), -torch.inf)),
        "lm_head.weight hold something that is not a number",
    ),
    "scales without a word": (
        weights(lambda tensors: tensors.update({"lm_head.weight_scale_inv": torch.ones(1)})),
        "the weights are quantised",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_named(name: str, folder: Path) -> None:
    spoil, told = BROKEN[name]
    spoil(folder)
    with pytest.raises(InputError) as caught:
        TransformersPolicy(folder)
    message = str(caught.value)
    assert told in message
    assert str(folder) in message
    assert "\n" not in message


def test_a_sound_folder_passes(folder: Path) -> None:
    examine(folder)
    check_plain_weights(folder)
    check_finite_files(folder)
    assert read_tensors(folder)["model.norm.weight"].shape == (64,)


def test_an_index_of_plain_names_is_read(folder: Path) -> None:
    split("model-00001-of-00001.safetensors")(folder)
    TransformersPolicy(folder).close()
    (folder / "model-00001-of-00001.safetensors").rename(folder / "model.safetensors")
    written("model.safetensors.index.json", '{"weight_map": {"a": "evil.bin"}}')(folder)
    with pytest.raises(InputError, match=r"evil.bin"):
        examine(folder)


def test_an_attention_of_a_hub_is_not_asked_for(folder: Path) -> None:
    configure(folder / "config.json", attn_implementation="kernels-community/flash-attn")
    assert load_config(folder)._attn_implementation is None
    policy = TransformersPolicy(folder)
    policy.close()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["USE_HUB_KERNELS"] == "NO"


def test_a_tokenizer_with_more_tokens_than_the_model(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match=rf"tokens up to {VOCABULARY} \('<more>'\)"):
        TransformersPolicy(folder)


def test_a_value_model_is_no_policy_and_the_other_way_round(folder: Path, tmp_path: Path) -> None:
    value = tmp_path / "value"
    value_llama(tie_word_embeddings=True).save_pretrained(value)
    word_tokenizer().save_pretrained(value)
    TransformersValueModel(value).close()
    with pytest.raises(InputError, match=r"holds a classifier .* but a policy is a causal language model"):
        load_policy(value)
    with pytest.raises(InputError, match=r"holds a language model .* but a value model is a"):
        load_value_model(folder)


def test_tied_embeddings_are_whole(tmp_path: Path) -> None:
    llama(tie_word_embeddings=True).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    load_policy(tmp_path)


def test_generation_settings_that_cannot_be_saved_are_mended(folder: Path, tmp_path: Path) -> None:
    old = {"do_sample": False, "temperature": 0.9, "top_p": 0.6, "eos_token_id": 2, "bos_token_id": 1}
    (folder / "generation_config.json").write_text(json.dumps(old))
    model, _ = load_policy(folder)
    model.save_pretrained(tmp_path / "saved")
    assert GenerationConfig.from_pretrained(tmp_path / "saved").eos_token_id == 2


def test_good_generation_settings_stay(folder: Path) -> None:
    (folder / "generation_config.json").write_text(
        '{"do_sample": true, "temperature": 0.9, "eos_token_id": 2}'
    )
    assert load_policy(folder)[0].generation_config.temperature == 0.9


@pytest.mark.parametrize("load", [checkpoint.load_policy, checkpoint.check_trainable])
def test_nothing_is_trained_from_quantised_weights(folder: Path, load: Callable[[Path], Any]) -> None:
    configure(folder / "config.json", quantization_config={"quant_method": "fp8"})
    with pytest.raises(InputError, match=r"quantised weights \(quantization_config in config.json, fp8\)"):
        load(folder)


def test_numbers_of_eight_bits_need_a_word(folder: Path) -> None:
    weights(
        lambda tensors: tensors.update({"lm_head.weight": tensors["lm_head.weight"].to(torch.float8_e4m3fn)})
    )(folder)
    with pytest.raises(InputError, match=r"the tensor lm_head.weight of type F8_E4M3"):
        load_policy(folder)


def test_weights_that_another_library_loads_are_numbers(folder: Path) -> None:
    BROKEN["not a number"][0](folder)
    with pytest.raises(InputError, match="not a number"):
        check_finite_files(folder)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 64, "initializer_range": 0.5,
    }  # fmt: skip
    torch.manual_seed(0)
    BertLMHeadModel(BertConfig(**sizes)).save_pretrained(tmp_path / "bert")
    word_tokenizer().save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def test_an_encoder_is_no_policy(encoder: Path) -> None:
    with pytest.raises(InputError, match="bert"):
        TransformersPolicy(encoder)
    with pytest.raises(InputError, match="reads what comes after a token"):
        checkpoint.load_policy(encoder)


def test_decoders_are_causal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from restmcts.engines import soundness

    monkeypatch.setattr(soundness, "FAMILIES", frozenset())
    for model in (llama(), gpt2()):
        check_causal(model, tmp_path)


def test_a_model_that_cannot_read_tokens_alone_is_named(tmp_path: Path) -> None:
    model = llama()
    model.config.model_type = "unheard-of"
    model.model.embed_tokens.forward = None
    with pytest.raises(InputError, match="cannot read plain text"):
        check_causal(model, tmp_path)
    with pytest.raises(InputError, match="cannot read plain text"):
        TransformersPolicy((model, word_tokenizer()), name="odd")


def diffllama() -> Any:
    """Its attention is a difference of two, which no cache of this engine computes."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 96, "max_position_embeddings": 64,
    }  # fmt: skip
    torch.manual_seed(0)
    return DiffLlamaForCausalLM(DiffLlamaConfig(**sizes, initializer_range=0.3)).eval()


def test_a_family_that_is_computed_otherwise_is_refused() -> None:
    with pytest.raises(InputError, match="diffllama"):
        TransformersPolicy((diffllama(), word_tokenizer()))


@pytest.mark.parametrize("make", [llama, gpt2])
def test_families_that_no_test_knows_are_compared(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from restmcts.engines.transformers import comparison

    monkeypatch.setattr(comparison, "FAMILIES", frozenset())
    TransformersPolicy((make(), word_tokenizer())).close()
    monkeypatch.setattr(comparison, "own_states", lambda model, name: torch.ones(12, 64))
    monkeypatch.setattr("restmcts.engines.transformers.forward.own_states", comparison.own_states)
    with pytest.raises(InputError, match=r"computes a model of the family .* wrongly"):
        TransformersPolicy((make(), word_tokenizer()))
