"""`restmcts doctor --bench`: real engines on a small model, and advice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restmcts.engines.settings import ModelSettings, VllmSettings
from restmcts.tools import speed
from restmcts.tools.speed import Speed, advice, measure

COMMAND = [sys.executable, "-c", "from restmcts.cli import main; main()", "doctor", "--bench"]
GOOD = Speed("transformers", alone=1000.0, search=900.0, valued=500.0, hits=0.9)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, env=environment)


def test_it_measures_an_engine_and_says_so_in_json() -> None:
    done = run("--seconds", "2", "--json", "-o", "models.engine=transformers")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["speeds"]
    assert found["engine"] == "transformers"
    assert min(found["alone"], found["search"], found["valued"]) > 0
    assert found["ratio"] == pytest.approx(found["search"] / found["alone"])
    # Children read what their parents left in the cache.
    assert found["hits"] > 0.5


def test_what_is_not_about_models_is_refused() -> None:
    done = run("-o", "seed=1")
    assert done.returncode == 2
    assert done.stderr == (
        "error: -o seed: only settings of models are measured, for example -o models.threads=2\n"
    )


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    done = run("--policy", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: no config.json")


def test_engines_are_closed_when_the_value_model_cannot_be_opened(tmp_path: Path) -> None:
    from restmcts.errors import InputError
    from restmcts.tools.models.random_weights import write_random_policy

    write_random_policy(tmp_path, width=64, layers=1)
    with pytest.raises(InputError, match="no such model folder"):
        measure(tmp_path, tmp_path / "none", ModelSettings(device="cpu"), concurrency=2, seconds=0.1)


def test_nothing_is_advised_where_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "engines_here", lambda: ["transformers", "vllm"])
    assert advice([GOOD], ModelSettings()) == []


@pytest.mark.parametrize(
    ("found", "models", "words"),
    [
        (GOOD, ModelSettings(threads=4096), "models.threads is 4096 on "),
        (
            Speed("vllm", 1000.0, 900.0, 500.0, 0.9),
            ModelSettings(engine="vllm", vllm=VllmSettings(block_size=128)),
            "models.vllm.block_size is 128",
        ),
        (
            Speed("transformers", 1000.0, 400.0, 300.0, 0.25),
            ModelSettings(),
            "a search keeps 40% of the engine's speed, and 25% of its prompts were in the cache: raise",
        ),
        (Speed("vllm", 1000.0, 400.0, 300.0, 0.25), ModelSettings(), "raise models.vllm.cache_gib"),
    ],
)
def test_what_is_set_badly_is_said(
    monkeypatch: pytest.MonkeyPatch, found: Speed, models: ModelSettings, words: str
) -> None:
    monkeypatch.setattr(speed, "engines_here", lambda: ["transformers", "vllm"])
    (line,) = advice([found], models)
    assert words in line


def test_a_missing_vllm_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "engines_here", lambda: ["transformers"])
    (line,) = advice([GOOD], ModelSettings())
    assert "the engine vllm is not installed" in line
