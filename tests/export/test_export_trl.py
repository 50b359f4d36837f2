"""Exported sets load with datasets as they are, and the trainers of TRL take a step on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restmcts.export.formats import Origin, line, rows
from restmcts.export.trees import Trace
from store.records import PolicySample, PreferenceSample, Sample, ValueSample
from tests.training.training_models import step, write_policy

pytestmark = pytest.mark.slow

TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def policy(number: int) -> PolicySample:
    return PolicySample(f"p{number}", f"{number}+1", (step("2\n"), step("3\n")), ("t/1",), None, "trace")


def pair(number: int) -> PreferenceSample:
    prompt = f"{number}+1"
    return PreferenceSample(
        "p", prompt, (step("2\n"),), (step("3\n"),), (step("4\n"),), ("t/1", "t/2"), number / 4
    )


def trace(number: int) -> Trace:
    return Trace(f"p{number}", f"{number}+1", "2\n", number % 2 == 0, "t/1", 0.5)


def value(number: int) -> ValueSample:
    return ValueSample("p", f"{number}+1", (step("2\n"), step("3\n")), (0.5, None), ("t/1",))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import datasets

    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    yield


def loaded(folder: Path, samples: list[Any], format: str, *, provenance: bool) -> Any:
    import datasets

    path = folder / "set.jsonl"
    path.write_bytes(
        b"".join(
            line(row)
            for sample in samples
            for row in rows(sample, format, "", Origin("run", 1, "rest-mcts"), provenance=provenance)
        )
    )
    return datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))


def parts(folder: Path, kind: str) -> tuple[Any, Any, Any]:
    """A model with random weights, its tokenizer, and arguments for one step."""
    import trl
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    source = write_policy(folder / "policy")
    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    tokenizer.chat_template = TEMPLATE
    if kind == "Reward":
        model: Any = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1)
    else:
        model = AutoModelForCausalLM.from_pretrained(source)
    arguments = getattr(trl, f"{kind}Config")(
        output_dir=str(folder / "trainer"),
        max_steps=1,
        per_device_train_batch_size=2,
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        disable_tqdm=True,
    )
    return model, tokenizer, arguments


@pytest.mark.parametrize("provenance", [True, False])
@pytest.mark.parametrize(
    ("kind", "make", "format"),
    [
        ("SFT", policy, "messages"),
        ("SFT", policy, "prompt-completion"),
        ("DPO", pair, "preference"),
        ("Reward", pair, "preference"),
        ("KTO", pair, "unpaired-preference"),
        ("KTO", trace, "unpaired-preference"),
    ],
)
def test_a_trainer_takes_a_step(tmp_path: Path, kind: str, make: Any, format: str, provenance: bool) -> None:
    import torch
    import trl

    dataset = loaded(tmp_path, [make(number) for number in range(4)], format, provenance=provenance)
    model, tokenizer, arguments = parts(tmp_path, kind)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    trainer = getattr(trl, f"{kind}Trainer")(
        model, args=arguments, train_dataset=dataset, processing_class=tokenizer
    )
    state = trainer.train()
    assert state.global_step == 1 and state.training_loss > 0
    assert any(not torch.equal(weights, before[name]) for name, weights in trainer.model.named_parameters())


def test_verdicts_on_steps_load_with_their_types(tmp_path: Path) -> None:
    samples: list[Sample] = [value(number) for number in range(3)]
    dataset = loaded(tmp_path, samples, "stepwise", provenance=True)
    assert dataset.features["labels"].feature.dtype == "bool"
    assert dataset.features["values"].feature.dtype == "float64"
    assert dataset[0]["completions"] == ["2\n"] and dataset[0]["labels"] == [True]
