"""`restmcts iterate` from end to end, on models so small that a run takes seconds."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from store.check import check, rebuild
from tests.cli.commands import COMMAND, ENVIRONMENT, SMALL, Done, refused, restmcts, start_command, state
from tests.support.stores import contents, index_rows, problems_of


def renamed(root: Path) -> dict[str, str]:
    """What the run of a store holds, apart from times and from the concurrency in its recipe."""
    return {name: digest for name, digest in contents(root, "small").items() if name != "run.toml"}


def test_the_closing_table_and_the_way_to_the_screens(finished: tuple[Path, Done]) -> None:
    root, done = finished
    assert "accuracy on held-out problems" in done.output
    for column in ("iteration", "method", "95 % interval", "policy tokens"):
        assert column in done.output
    for row in (
        "greedy",
        "greedy, demonstrations only",
        "mcts-improved",
        "self-consistency",
        "best-of-n, last",
    ):
        assert f"│ {row} " in done.output
    assert done.output.endswith(f"restmcts tui small --root {root}\n")
    for phase in ("0.train-policy", "0.search", "1.search", "1.select", "1.train-value", "final.evaluate"):
        assert f"\n{phase} " in f"\n{done.errors}"


def test_both_models_of_each_iteration_are_there(store: Path) -> None:
    run = store / "runs" / "small"
    for iteration in ("0", "1"):
        for kind in ("policy", "value"):
            assert (run / "checkpoints" / iteration / kind / "model.safetensors").is_file()
    assert check(store) == []


def test_started_again_it_does_nothing_and_changes_no_file(own_store: Path) -> None:
    before = state(own_store)
    started = time.monotonic()
    summary = restmcts("iterate", SMALL, "--root", own_store, "--json").json()
    assert time.monotonic() - started < 10
    assert state(own_store) == before
    assert summary["run"] == "small"
    assert {row["method"] for row in summary["rows"]} >= {"self-consistency", "mcts"}


def test_a_changed_recipe_is_refused_with_the_difference(own_store: Path) -> None:
    before = state(own_store)
    line = refused("iterate", SMALL, "--root", own_store, "-o", "policy_training.updates=9")
    assert "another configuration" in line
    assert "-updates = 8" in line
    assert "+updates = 9" in line
    assert state(own_store) == before


@pytest.mark.slow
def test_the_loop_learns_quality_values_through_single_steps(tmp_path: Path) -> None:
    """Labels of the paper, a factorized head, siblings ranked, the product of the steps as the value."""
    overrides = (
        "labels.rule=rest-mcts",
        "models.value_aggregation=product",
        "value_training.objective=factorized",
        "value_training.ranking_weight=0.1",
    )
    options = [option for override in overrides for option in ("-o", override)]
    restmcts("iterate", SMALL, "--root", tmp_path, *options)
    assert check(tmp_path) == []
    run = restmcts("show", "small", "--root", tmp_path, "--json").json()
    figures = [row["metrics"] for row in run["checkpoints"] if row["kind"] == "value"]
    assert len(figures) == 2
    for found in figures:
        # Compared with right and wrong, and by what follows from the steps with the labels of the paper.
        assert {"squared_error", "near", "quality.squared_error", "quality.near"} <= found.keys()


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None and not os.environ.get("CI"), reason="vLLM is not installed"
)
def test_the_whole_loop_runs_on_vllm(tmp_path: Path) -> None:
    """Engines give way to trainings and come back with new weights; solutions that just end are graded."""
    restmcts("iterate", SMALL, "--root", tmp_path, "-o", "models.engine=vllm")
    with closing(sqlite3.connect(tmp_path / "index.db")) as database:
        solved = dict(database.execute("SELECT phase, sum(correct) FROM trees GROUP BY phase"))
        policies = database.execute(
            "SELECT DISTINCT policy FROM trees WHERE phase IN ('1.search', '1.validate')"
        ).fetchall()
    assert solved["1.search"] > 0
    assert len(policies) == 2
    assert check(tmp_path) == []


def test_how_busy_the_engines_were_is_stored(store: Path) -> None:
    with closing(sqlite3.connect(store / "index.db")) as database:
        rows = database.execute(
            "SELECT name, value FROM metrics WHERE phase = '1.search' AND name LIKE 'engine.%'"
        ).fetchall()
    use = dict(rows)
    assert set(use) == {
        f"engine.{kind}.{name}" for kind in ("policy", "value") for name in ("cache_hit_rate", "busy")
    } | {"engine.policy.tokens_per_second"}
    shares = [figure for name, figure in use.items() if not name.endswith("second")]
    assert all(0 < share <= 1 for share in shares)
    assert use["engine.policy.tokens_per_second"] > 0


@pytest.mark.parametrize("concurrency", [1, 64])
def test_concurrency_changes_nothing(store: Path, tmp_path: Path, concurrency: int) -> None:
    """Trees, samples, metrics and weights are byte for byte those of a run at concurrency 16."""
    restmcts("iterate", SMALL, "--root", tmp_path, "-o", f"concurrency={concurrency}")
    assert renamed(tmp_path) == renamed(store)


def test_an_index_made_anew_is_equal(store: Path) -> None:
    before = index_rows(store)
    for path in store.glob("index.db*"):
        path.unlink()
    restmcts("store", "rebuild", "--root", store)
    assert index_rows(store) == before
    assert sum(map(len, before.values())) > 500


MOMENTS = [
    "run.toml",
    "labels/0.search.rest-mcts.jsonl",
    "trees/1.search.jsonl",
    "labels/1.search.rest-mcts.jsonl",
    "trees/final.evaluate.jsonl",
]


def start(root: Path) -> subprocess.Popen[bytes]:
    words = [*COMMAND, "iterate", str(SMALL), "--root", str(root), "-o", "concurrency=2"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)


def end_when(root: Path, name: str, with_signal: int) -> int:
    """Start the run and end it as soon as a file is there; returns its exit code."""
    process = start(root)
    path = root / "runs" / "small" / name
    while process.poll() is None and not (path.exists() and path.stat().st_size):
        time.sleep(0.001)
    process.send_signal(with_signal)
    return process.wait()


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_was(store: Path, tmp_path: Path) -> None:
    codes = [end_when(tmp_path, moment, signal.SIGKILL) for moment in MOMENTS]
    assert codes == [-signal.SIGKILL] * len(MOMENTS)
    restmcts("iterate", SMALL, "--root", tmp_path, "-o", "concurrency=2")
    expected = renamed(store)
    assert renamed(tmp_path) == expected
    assert problems_of(tmp_path, contents(tmp_path, "small"), "small") == []


def test_control_c_says_how_to_go_on(tmp_path: Path) -> None:
    process = start_command("iterate", SMALL, "--root", tmp_path)
    while not (tmp_path / "runs" / "small" / "phases.jsonl").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130
    assert output == ""
    assert errors.splitlines()[-1].startswith("stopped; what is finished is stored")
    assert "Traceback" not in errors


def test_two_writers_are_one_too_many(own_store: Path) -> None:
    from store.files.lock import RunLock

    lock = RunLock.take(own_store / "runs" / "small")
    try:
        line = refused("iterate", SMALL, "--root", own_store, code=1)
    finally:
        lock.release()
    assert f"is being written by process {os.getpid()}" in line


def test_rebuild_and_check_agree(own_store: Path) -> None:
    assert rebuild(own_store)["broken"] == 0
    assert restmcts("store", "check", "--root", own_store).output.endswith("no problems found\n")
