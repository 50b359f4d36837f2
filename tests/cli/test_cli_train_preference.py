"""`restmcts train preference`: a policy from a file of pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.encoding.rows import encode_sample
from store.records import Sample
from tests.cli.commands import refused, restmcts
from tests.training.training_models import preferred_sums, sums, write_policy


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    samples: list[Sample] = [*preferred_sums(8), *sums(2)]
    path.write_bytes(b"".join(encode_sample(sample) + b"\n" for sample in samples))
    return path


def test_a_policy_is_trained_on_the_pairs_of_a_file(pairs: Path, tmp_path: Path) -> None:
    policy = write_policy(tmp_path / "policy")
    command = ("train", "preference", pairs, "--from", policy, "--to", tmp_path / "new")
    done = restmcts(*command, "-o", "updates=2", "-o", "learning_rate=1e-3", "--json")
    assert done.json()["samples"] == 8
    assert done.json()["reward_accuracy"] >= 0
    assert (tmp_path / "new" / "model.safetensors").is_file()
    assert "supervised_weight is for method dpo" in refused(
        *command, "-o", "method=kto", "-o", "supervised_weight=1"
    )


def test_a_file_without_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"".join(encode_sample(sample) + b"\n" for sample in sums(2)))
    line = refused("train", "preference", path, "--from", tmp_path / "old", "--to", tmp_path / "new")
    assert "traces.jsonl: no pairs of continuations to train on" in line
