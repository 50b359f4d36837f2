"""Searches from the command line that a process reward model with a vocabulary of its own guides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from restmcts.engines.transformers.prm import TransformersPrm
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from store.queries import TreeFilter
from store.tree import fold
from tests.engines.engine_models import llama, word_tokenizer
from tests.engines.prm_models import (
    QWEN,
    SHEPHERD,
    byte_tokenizer,
    chat_tokenizer,
    mistral_prm,
    prompts,
    published_weights,
    write,
    write_published,
)

COMMAND = (sys.executable, "-c", "from restmcts.cli import main; main()")
PROBLEMS = [{"problem": "3 + 4", "answer": "7"}, {"problem": "8 + 1", "answer": "9"}]


def search(
    folder: Path, value: Path, preset: str, rows: list[Any], *more: str
) -> subprocess.CompletedProcess[str]:
    """``restmcts search`` in a process of its own, with a tiny policy."""
    problems = folder / "problems.jsonl"
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    policy = write(folder / "policy", llama(), word_tokenizer())
    words = [
        "search",
        "--problems",
        problems,
        "--policy",
        policy,
        "--value",
        value,
        "--root",
        folder / "store",
    ]
    words += ["-o", f"models.prm.preset={preset}", "-o", "models.device=cpu", "-o", "models.threads=1"]
    words += ["-o", "sampling.step_tokens=8", "--budget", "150", "--run", "guided", *more]
    command = [*COMMAND, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def records(folder: Path) -> list[Any]:
    with StoreReader(folder / "store") as reader:
        return [
            reader.record("guided", f"search/{number}")
            for number in range(reader.count_trees(TreeFilter("guided")))
        ]


@pytest.mark.parametrize("preset", ["math-shepherd", "qwen2.5-math-prm"])
async def test_a_search_with_a_published_prm(preset: str, tmp_path: Path) -> None:
    if preset == "math-shepherd":
        tokenizer, settings = byte_tokenizer(), SHEPHERD
        value = write(tmp_path / "prm", mistral_prm(len(tokenizer)), tokenizer)
    else:
        tokenizer, settings = chat_tokenizer(), QWEN
        value = write_published(tmp_path / "prm", tokenizer, *published_weights(len(tokenizer)))
    done = search(tmp_path, value, preset, PROBLEMS, "-o", "models.value_aggregation=mean")
    assert done.returncode == 0, done.stderr
    stored = tomllib.loads(RunLayout(tmp_path / "store", "guided").config.read_text("utf-8"))
    assert stored["models"]["prm"] == settings.model_dump(exclude_none=True)
    engine = TransformersPrm(value, settings)
    deepest = 0
    for record in records(tmp_path):
        assert record.result.reason != "failed"
        tree = fold(record.events)
        for node in tree.nodes[1:]:
            texts = [step.text for step in tree.steps(node.id)]
            values = await engine.score(prompts(engine, record.header.question, texts))
            assert node.score == pytest.approx(sum(values) / len(values), abs=2e-6)
            deepest = max(deepest, len(texts))
    engine.close()
    assert deepest >= 2


def test_a_problem_with_the_tag_is_refused_before_the_search(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    value = write(tmp_path / "prm", mistral_prm(len(tokenizer)), tokenizer)
    rows = [PROBLEMS[0], {"problem": "what ки is", "answer": "7"}]
    done = search(tmp_path, value, "math-shepherd", rows)
    assert done.returncode == 2
    assert "the step tag stands in the problem 'what ки is': leave it out" in done.stderr
    assert records(tmp_path) == []


def test_a_wrong_tag_is_refused_before_the_search(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    value = write(tmp_path / "prm", mistral_prm(len(tokenizer)), tokenizer)
    done = search(tmp_path, value, "math-shepherd", PROBLEMS, "-o", "models.prm.tag=<extra_0>")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "the step tag '<extra_0>' has 9 tokens in this tokenizer, not 1" in done.stderr
