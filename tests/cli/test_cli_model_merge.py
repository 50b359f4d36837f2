"""`restmcts model merge`: an adapter and its base as one whole model."""

from __future__ import annotations

from pathlib import Path

from restmcts.engines import loading
from store.encoding.rows import encode_sample
from tests.cli.commands import refused, restmcts
from tests.training.training_models import sums, write_policy


def test_an_adapter_is_trained_and_merged(tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy")
    traces = tmp_path / "traces.jsonl"
    traces.write_bytes(b"".join(encode_sample(sample) + b"\n" for sample in sums(8)))
    command = ("train", "policy", traces, "--from", policy, "--to", tmp_path / "adapter")
    restmcts(*command, "-o", "updates=2", "-o", "lora.rank=2", "--json")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    restmcts("model", "merge", tmp_path / "adapter", tmp_path / "whole")
    loading.load_policy(tmp_path / "whole")
    moved = policy.rename(tmp_path / "elsewhere")
    line = refused("model", "merge", tmp_path / "adapter", tmp_path / "other")
    assert "an adapter of '../policy', and there is no such model" in line
    done = restmcts(
        "model", "merge", tmp_path / "adapter", tmp_path / "half", "--base", moved, "--dtype", "bfloat16"
    )
    assert f"wrote {tmp_path / 'half'}" in done.output
    assert "is the folder of the model" in refused(
        "model", "merge", tmp_path / "adapter", tmp_path / "adapter"
    )
