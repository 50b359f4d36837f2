"""LoRA adapters: trained alone, stored alone, and equal to their merged models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from safetensors.torch import load_file

from restmcts.engines import loading
from restmcts.engines.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, base_folder
from restmcts.errors import InputError
from restmcts.training.adapters import load_trainable, merge_adapter
from restmcts.training.policy import train_policy
from restmcts.training.preference import train_preferences
from restmcts.training.report import TrainingReport
from restmcts.training.settings import LoraSettings, PolicyTraining, PreferenceTraining, ValueTraining
from restmcts.training.values.training import train_value
from store.files.folders import MARKER
from tests.training.training_models import judged_sums, preferred_sums, sums, write_policy

LORA = LoraSettings(rank=4, alpha=8.0)
SETTINGS = PolicyTraining(learning_rate=1e-2, batch_size=8, updates=12, seed=3, lora=LORA)
TOKENS = torch.tensor([[8, 9, 10, 3, 11, 5, 12]])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_policy(tmp_path / "base")


def train(source: Path, target: Path, **changes: Any) -> TrainingReport:
    return train_policy(source, sums(30), SETTINGS.model_copy(update=changes), target, device="cpu")


def logits(folder: Path) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = loading.load_policy(folder)[0](TOKENS).logits
    return found


def test_a_checkpoint_holds_the_adapter_alone(source: Path, tmp_path: Path) -> None:
    report = train(source, tmp_path / "new")
    assert report.last_loss < 0.8 * report.first_loss
    names = {path.name for path in (tmp_path / "new").iterdir()}
    model = {"config.json", "generation_config.json", "model.safetensors"}
    kept = {path.name for path in source.iterdir()} - model
    assert names == kept | {ADAPTER_CONFIG, ADAPTER_WEIGHTS, MARKER}
    config = orjson.loads((tmp_path / "new" / ADAPTER_CONFIG).read_bytes())
    assert config["base_model_name_or_path"] == "../base"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert not any("lm_head" in name for name in config["target_modules"])
    assert base_folder(tmp_path / "new") == source.resolve()
    assert not torch.equal(logits(tmp_path / "new"), logits(source))


def test_a_merged_model_says_what_the_adapter_says(source: Path, tmp_path: Path) -> None:
    train(source, tmp_path / "new")
    merge_adapter(tmp_path / "new", tmp_path / "whole", None, "float32")
    assert torch.equal(logits(tmp_path / "whole"), logits(tmp_path / "new"))
    assert not (tmp_path / "whole" / ADAPTER_CONFIG).exists()
    loading.load_policy(tmp_path / "whole")
    with pytest.raises(InputError, match="holds no adapter"):
        merge_adapter(source, tmp_path / "other", None, "float32")


def test_a_new_adapter_changes_nothing_and_only_it_is_trained(source: Path) -> None:
    model = load_trainable(source, SETTINGS)
    with torch.inference_mode():
        assert torch.equal(model(TOKENS).logits, logits(source))
    trained = [name for name, weights in model.named_parameters() if weights.requires_grad]
    assert len(trained) == 2 * 7 * 2
    assert all(".lora_" in name for name in trained)


def test_a_training_goes_on_with_the_adapter(source: Path, tmp_path: Path) -> None:
    first = train(source, tmp_path / "first")
    second = train(tmp_path / "first", tmp_path / "second")
    assert second.first_loss < first.last_loss * 1.2
    assert base_folder(tmp_path / "second") == source.resolve()
    with pytest.raises(InputError, match="an adapter of rank 4 and alpha 8, but lora says rank 2"):
        train(tmp_path / "first", tmp_path / "third", lora=LoraSettings(rank=2, alpha=8.0))
    with pytest.raises(InputError, match="the adapter does not fit its base"):
        train(
            tmp_path / "first",
            tmp_path / "third",
            lora=LoraSettings(rank=4, alpha=8.0, targets=["q_proj"]),
        )


def test_a_training_of_all_weights_starts_from_the_merged_model(source: Path, tmp_path: Path) -> None:
    train(source, tmp_path / "new")
    train(tmp_path / "new", tmp_path / "whole", lora=None, learning_rate=1e-12)
    assert torch.allclose(logits(tmp_path / "whole"), logits(tmp_path / "new"), atol=1e-5)
    assert (tmp_path / "whole" / "config.json").is_file()
    assert not (tmp_path / "whole" / ADAPTER_CONFIG).exists()


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_preferences_train_an_adapter_from_a_new_and_from_an_old_one(
    source: Path, tmp_path: Path, method: Any
) -> None:
    """The policy is held to what it was, which is the base with the adapter, where there is one."""
    settings = PreferenceTraining(
        learning_rate=1e-2, batch_size=8, updates=12, warmup_updates=0, method=method, lora=LORA
    )
    samples = preferred_sums(30)
    first = train_preferences(source, samples, settings, tmp_path / "first", device="cpu")
    second = train_preferences(tmp_path / "first", samples, settings, tmp_path / "second", device="cpu")
    for report in (first, second):
        assert report.first_loss == pytest.approx(0.6931 if method == "dpo" else 0.5, abs=2e-3)
    assert first.metrics["reward_margin"] > 0.1
    weights = load_file(tmp_path / "second" / ADAPTER_WEIGHTS)
    assert len(weights) == 2 * 7 * 2
    assert not any(".ref." in name for name in weights)
    assert base_folder(tmp_path / "second") == source.resolve()


def test_equal_seeds_give_equal_adapters(source: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        torch.rand(5)
        train(source, tmp_path / name, updates=2, lora=LORA.model_copy(update={"dropout": 0.2}))
    files = [
        [(tmp_path / name / file).read_bytes() for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)] for name in "ab"
    ]
    assert files[0] == files[1]


def test_gradient_checkpointing_trains_an_adapter(source: Path, tmp_path: Path) -> None:
    plain = train(source, tmp_path / "a", updates=3)
    saving = train(source, tmp_path / "b", updates=3, gradient_checkpointing=True)
    assert [loss for _, loss in saving.curve] == pytest.approx([loss for _, loss in plain.curve], rel=1e-4)


def test_a_value_model_starts_from_the_merged_policy(source: Path, tmp_path: Path) -> None:
    train(source, tmp_path / "new")
    merge_adapter(tmp_path / "new", tmp_path / "whole", None, "float32")
    settings = ValueTraining(learning_rate=1e-12, batch_size=4, updates=1)
    for name in ("new", "whole"):
        train_value(tmp_path / name, judged_sums(8), settings, tmp_path / f"value-{name}", device="cpu")
    files = [(tmp_path / f"value-{name}" / "model.safetensors").read_bytes() for name in ("new", "whole")]
    assert files[0] == files[1]
    with pytest.raises(InputError, match="holds a language model"):
        loading.load_value_model(tmp_path / "new")


def test_targets_that_the_model_has_not_are_said(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no adapter can be put on the model: .*nonsense"):
        train(source, tmp_path / "new", lora=LoraSettings(targets=["nonsense"]))


@pytest.mark.parametrize("lora", [None, LORA], ids=["whole", "adapter"])
@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_gradient_checkpointing_changes_no_preference(
    source: Path, tmp_path: Path, lora: LoraSettings | None, method: Any
) -> None:
    settings = PreferenceTraining(learning_rate=1e-3, updates=3, method=method, lora=lora)
    curves = []
    for number, checkpointing in enumerate((False, True)):
        wanted = settings.model_copy(update={"gradient_checkpointing": checkpointing})
        report = train_preferences(source, preferred_sums(12), wanted, tmp_path / str(number), device="cpu")
        curves.append([loss for _, loss in report.curve])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert curves[0][-1] < curves[0][0]


def test_an_adapter_is_computed_and_stored_in_bfloat16(source: Path, tmp_path: Path) -> None:
    report = train(source, tmp_path / "new", dtype="bfloat16")
    assert report.last_loss < 0.8 * report.first_loss
    weights = load_file(tmp_path / "new" / ADAPTER_WEIGHTS)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert not torch.equal(logits(tmp_path / "new"), logits(source))
