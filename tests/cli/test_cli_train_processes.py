"""`restmcts train` in several processes: its own, and those of a launcher."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from restmcts.engines.loading import load_value_model
from restmcts.training.group import ends_first
from store.encoding.rows import encode_sample
from tests.cli.commands import ENVIRONMENT, refused
from tests.training.training_models import judged_sums, sums, write_policy


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    """A short training of a value model, without the command's name."""
    path = tmp_path / "chains.jsonl"
    path.write_bytes(b"".join(encode_sample(sample) + b"\n" for sample in judged_sums(12)))
    policy = write_policy(tmp_path / "policy")
    words = ("train", "value", path, "--from", policy, "--to", tmp_path / "new", "-o", "updates=2")
    return tuple(map(str, words))


def test_accelerate_launches_the_command(command: tuple[str, ...], tmp_path: Path) -> None:
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--main_process_port=0")
    more = ("--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "-m", "restmcts")
    ended = subprocess.run(
        [sys.executable, "-m", *launch, *more, *command, "--strategy", "fsdp2", "--json"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["updates"] == 2
    assert load_value_model(tmp_path / "new")[0].config.num_labels == 1
    assert {path.name for path in tmp_path.iterdir()} == {"chains.jsonl", "policy", "new"}


def test_what_processes_cannot_do_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    line = refused(*command, "--processes", "2", "-o", "batch_size=1")
    assert "an update has 1 samples, which are too few for 2 processes: raise batch_size" in line
    assert {path.name for path in tmp_path.iterdir()} == {"chains.jsonl", "policy"}


def test_a_strategy_that_nobody_knows_is_refused(command: tuple[str, ...]) -> None:
    assert "strategy: Input should be 'ddp' or 'fsdp2'" in refused(*command, "--strategy", "zero")


def test_an_error_of_all_processes_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    path.write_bytes(encode_sample(sums(1)[0]) + b"\n")
    assert ends_first()
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    said = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment = ENVIRONMENT | said | {"MASTER_PORT": str(store.port)}
    words = ("-m", "restmcts", "train", "value", path, "--from", tmp_path / "old", "--to", tmp_path / "new")
    lines = []
    for rank in ("0", "1"):
        ended = subprocess.run(
            [sys.executable, *map(str, words)],
            env=environment | {"RANK": rank},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        lines += ended.stderr.splitlines()
    assert lines == [f"error: {path}: no labelled chains to train on"]
