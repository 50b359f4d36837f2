"""A run that was damaged is not gone on with, and its models are not used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import SMALL, refused, restmcts

RUN = Path("runs") / "small"


@pytest.mark.parametrize(
    "name", ["samples/0.label.jsonl", "trees/0.search.jsonl", "checkpoints/0/value/config.json"]
)
def test_a_finished_file_that_is_gone_stops_the_run(own_store: Path, name: str) -> None:
    path = own_store / RUN / name
    path.unlink()
    assert f"{path}: missing; phase '0." in refused("iterate", SMALL, "--root", own_store, code=1)
    assert f"{path}: missing" in restmcts("store", "check", "--root", own_store, code=1).output


def test_weights_that_were_changed_are_not_used(own_store: Path) -> None:
    for path in (own_store / RUN).glob("checkpoints/*/policy/model.safetensors"):
        data = bytearray(path.read_bytes())
        data[-7] ^= 1
        path.write_bytes(data)
    line = refused("eval", "small", "--root", own_store, "--method", "greedy", "--limit", 2, code=1)
    assert "model.safetensors: not as phase '" in line
    found = restmcts("store", "check", "--root", own_store, code=1).output
    assert found.count("model.safetensors: not as phase '") == 2


def test_a_checkpoint_that_nobody_needs_may_be_deleted(own_store: Path) -> None:
    shutil.rmtree(own_store / RUN / "checkpoints" / "1" / "control")
    done = restmcts("iterate", SMALL, "--root", own_store)
    assert "control: the checkpoint of phase '1.train-control' is gone" in done.errors
