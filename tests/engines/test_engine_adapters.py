"""Folders with adapters: what is read of them, where their base may be, and that engines search with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from safetensors.torch import load_file, save_file

from restmcts.engines import loading
from restmcts.engines.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, base_folder, base_name, name_base
from restmcts.engines.examination import examine
from restmcts.errors import InputError
from restmcts.training.adapters import merge_adapter
from restmcts.training.policy import train_policy
from restmcts.training.settings import LoraSettings, PolicyTraining
from tests.training.training_models import sums, write_policy

SETTINGS = PolicyTraining(learning_rate=1e-2, batch_size=8, updates=2, lora=LoraSettings(rank=2, alpha=4.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base and an adapter of it."""
    place = tmp_path_factory.mktemp("models")
    write_policy(place / "base")
    train_policy(place / "base", sums(8), SETTINGS, place / "adapter", device="cpu")
    return place


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A copy of the adapter, beside a copy of its base."""
    shutil.copytree(made, tmp_path / "models")
    return tmp_path / "models" / "adapter"


def change(adapter: Path, **values: Any) -> None:
    path = adapter / ADAPTER_CONFIG
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | values))


def test_folders_that_lie_side_by_side_can_be_moved_together(adapter: Path, tmp_path: Path) -> None:
    examine(adapter)
    (tmp_path / "models").rename(tmp_path / "moved")
    loading.load_policy(tmp_path / "moved" / "adapter")


def test_checkpoints_of_a_run_name_each_other_by_the_way(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "r" / "checkpoints"
    assert base_name(run / "0" / "policy", run / "2" / "policy") == "../../0/policy"
    elsewhere = tmp_path / "models" / "0" / "policy"
    assert base_name(elsewhere, run / "2" / "policy") == str(elsewhere)


@pytest.mark.parametrize("way", ["absolute", "upward", "link"])
def test_a_base_elsewhere_is_not_followed(adapter: Path, tmp_path: Path, way: str) -> None:
    """Also where it is a model that could be read."""
    secret = write_policy(tmp_path / "private" / "deep" / "secret")
    name = {"absolute": str(secret), "upward": "../../private/deep/secret", "link": "../link"}[way]
    (adapter.parent / "link").symlink_to(secret)
    change(adapter, base_model_name_or_path=name)
    for use in (examine, loading.load_policy, loading.load_config, base_folder):
        with pytest.raises(
            InputError, match=r"not followed because it lies elsewhere; name it: .*--base DIR"
        ):
            use(adapter)
    name_base(adapter, secret)
    assert base_folder(adapter) == secret


@pytest.mark.parametrize("name", ["HuggingFaceTB/SmolLM2-135M", "../nowhere"])
def test_a_base_that_is_not_there_is_said(adapter: Path, name: str) -> None:
    change(adapter, base_model_name_or_path=name)
    with pytest.raises(InputError, match=r"an adapter of .*restmcts model merge"):
        loading.load_policy(adapter)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"peft_type": "IA3"}, "only LoRA"),
        ({"peft_type": {"a": 1}}, "only LoRA"),
        ({"task_type": "SEQ_CLS"}, "only LoRA"),
        ({"auto_mapping": {"parent_library": "evil"}}, "auto_mapping is set"),
        ({"megatron_config": {"x": 1}}, "megatron_config is set"),
        ({"modules_to_save": ["embed_tokens"]}, "modules_to_save is set"),
        ({"use_dora": True}, "use_dora is set"),
        ({"bias": "all"}, "bias is set"),
        ({"layer_replication": [[0, 9999]]}, "layer_replication is set"),
        ({"something_new": 1}, "something_new is set"),
        ({"target_modules": "(a+)+$"}, "target_modules must be a list"),
        ({"target_modules": []}, "target_modules must be a list"),
        ({"target_modules": ["q_proj"]}, "none of an adapter of rank 2"),
        ({"r": 10**9}, "r is 1000000000, but"),
        ({"r": 3}, "none of an adapter of rank 3"),
        ({"r": True}, "r is True"),
        ({"r": None}, "r is None"),
        ({"lora_alpha": "8"}, "lora_alpha is 8, but"),
        ({"use_rslora": "yes"}, "use_rslora must be"),
        ({"base_model_name_or_path": None}, "must name the folder"),
        ({"base_model_name_or_path": "a\0b"}, "must name the folder"),
    ],
)
def test_what_is_not_known_of_an_adapter_is_refused(
    adapter: Path, values: dict[str, Any], message: str
) -> None:
    change(adapter, **values)
    with pytest.raises(InputError, match=message):
        examine(adapter)
    with pytest.raises(InputError, match=message):
        loading.load_policy(adapter)


def test_weights_that_are_missing_pickled_or_of_another_model_are_refused(
    adapter: Path, tmp_path: Path
) -> None:
    path = adapter / ADAPTER_WEIGHTS
    weights = load_file(path)
    first = sorted(weights)[0]
    save_file({name: tensor for name, tensor in weights.items() if name != first}, path)
    with pytest.raises(InputError, match="does not fit its base"):
        loading.load_policy(adapter)
    save_file(weights | {first: weights[first] * float("nan")}, path)
    with pytest.raises(InputError, match="not a number"):
        loading.load_policy(adapter)
    path.rename(adapter / "adapter_model.bin")
    with pytest.raises(InputError, match="read from safetensors alone"):
        loading.load_policy(adapter)
    path.write_bytes(b"\x80\x04junk")
    with pytest.raises(InputError, match="no safetensors file"):
        loading.load_policy(adapter)


def test_a_base_of_another_size_is_refused(adapter: Path) -> None:
    shutil.rmtree(adapter.parent / "base")
    write_policy(adapter.parent / "base", width=128)
    with pytest.raises(InputError, match="the adapter does not fit the model"):
        loading.load_policy(adapter)


def test_an_adapter_of_an_adapter_is_refused(adapter: Path) -> None:
    shutil.copytree(adapter, adapter.parent / "other")
    shutil.copyfile(adapter.parent / "base" / "config.json", adapter / "config.json")
    change(adapter.parent / "other", base_model_name_or_path="../adapter")
    with pytest.raises(InputError, match="an adapter itself"):
        loading.load_policy(adapter.parent / "other")


def test_the_base_can_be_named(adapter: Path, tmp_path: Path) -> None:
    (adapter.parent / "base").rename(tmp_path / "elsewhere")
    merge_adapter(adapter, tmp_path / "whole", tmp_path / "elsewhere", "bfloat16")
    examine(tmp_path / "whole")
