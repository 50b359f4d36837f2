"""ReST^EM from end to end, on models so small that a run takes seconds."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from store.check import check
from tests.cli.commands import SMALL, refused, restmcts

OPTIONS = (
    "-o",
    "loop=rest-em",
    "-o",
    "loop_settings.samples=4",
    "-o",
    "iterations=2",
    "-o",
    'evaluation.each_iteration=[{method="self-consistency"}]',
    "-o",
    'evaluation.methods=[{method="self-consistency",settings={early_stop=false}}]',
    "-o",
    "selection.demonstrations=0.0",
    "-o",
    "control=false",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rest-em") / "store"
    restmcts("iterate", SMALL, "--root", root, *OPTIONS)
    return root


def test_every_iteration_trains_from_the_base_policy(root: Path) -> None:
    shown = restmcts("show", "small", "--root", root, "--json").json()
    rows = [(row["kind"], row["iteration"], row["parent"]) for row in shown["checkpoints"]]
    base = "checkpoints/0/policy"
    assert rows == [("policy", 0, None), ("policy", 1, base), ("policy", 2, base)]
    assert check(root) == []


def test_its_trees_are_independent_traces_without_values(root: Path) -> None:
    lines = (root / "runs" / "small" / "trees" / "1.search.jsonl").read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]
    assert {record["header"]["method"] for record in records} == {"self-consistency"}
    assert all("value" not in record["header"] for record in records)
    assert not any(event["kind"] == "valued" for record in records for event in record["events"])


def test_it_is_measured_by_methods_without_values(root: Path) -> None:
    rows = restmcts("show", "small", "--root", root, "--json").json()["evaluations"]
    assert {row["method"] for row in rows} == {"greedy", "self-consistency"}
    assert {row["iteration"] for row in rows} == {0, 1, 2}


def test_a_method_that_needs_values_is_refused(tmp_path: Path) -> None:
    methods = ("-o", 'evaluation.each_iteration=[{method="mcts"}]')
    line = refused("iterate", SMALL, "--root", tmp_path, *OPTIONS, *methods)
    assert "method 'mcts' needs a value model" in line


def test_unknown_loops_and_settings_are_refused(tmp_path: Path) -> None:
    line = refused("iterate", SMALL, "--root", tmp_path, "-o", "loop=rest-mc")
    assert "unknown loop 'rest-mc': choose from rest-mcts, rest-em" in line
    line = refused("iterate", SMALL, "--root", tmp_path, "-o", "loop=rest-em", "-o", "loop_settings.sample=4")
    assert "did you mean 'samples'?" in line
