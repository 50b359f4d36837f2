"""A search in shards, as array jobs make it: each a process with a store of its own, merged into one run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from store.check import check
from store.files.layout import RunLayout, run_names
from tests.cli.commands import refused, restmcts, start_command, write_lines
from tests.support.stores import contents, without_times

COUNT = 5


@pytest.fixture
def many(tmp_path: Path) -> Path:
    rows = [{"problem": f"Apply +1, +2 to {number}", "answer": str(number + 3)} for number in range(COUNT)]
    return write_lines(tmp_path / "many.jsonl", *rows)


def asked(problems: Path, policy: Path, root: Path, *more: object) -> tuple[object, ...]:
    method = ("--method", "self-consistency", "--budget", 30)
    return ("search", *method, "--problems", problems, "--policy", policy, "--root", root, *more)


def trees(root: Path, run: str) -> list[str | None]:
    return list(map(without_times, RunLayout(root, run).trees("search").read_text().splitlines()))


def has_started(layout: RunLayout) -> bool:
    return layout.phases.exists() and b'"event":"started"' in layout.phases.read_bytes()


def test_shards_are_the_whole_search(policy: Path, many: Path, tmp_path: Path) -> None:
    whole, nodes, into = (
        tmp_path / "whole",
        [tmp_path / f"node-{number}" for number in (1, 2)],
        tmp_path / "all",
    )
    restmcts(*asked(many, policy, whole))
    for number, node in enumerate(nodes, 1):
        done = restmcts(*asked(many, policy, node, "--shard", f"{number}/2"))
        run = f"search-self-consistency.{number}-of-2"
        assert f"restmcts show {run}/search/{number - 1} --root {node}" in done.output
        assert f"Merge all 2 shards:  restmcts store merge {node} --into {node}" in done.output
        assert run_names(node) == [run]
    (found,) = restmcts("store", "merge", *nodes, "--into", into, "--json").json()
    assert (found["run"], found["new"], found["searches"], found["missing"]) == (
        "search-self-consistency",
        True,
        COUNT,
        [],
    )
    run = "search-self-consistency"
    assert trees(into, run) == trees(whole, run)
    assert contents(into, run)["run.toml"] == contents(whole, run)["run.toml"]
    assert check(into) == []
    # It is the run that the command without --shard goes on with, which has nothing to do.
    again = restmcts(*asked(many, policy, into), "--json").json()
    assert again == restmcts(*asked(many, policy, whole), "--json").json()
    assert "it was there already" in restmcts("store", "merge", *nodes, "--into", into).output


def test_what_is_missing_is_searched_after_a_partial_merge(policy: Path, many: Path, tmp_path: Path) -> None:
    whole, root = tmp_path / "whole", tmp_path / "store"
    restmcts(*asked(many, policy, whole, "--run", "mine"))
    for number in (1, 3):
        restmcts(*asked(many, policy, root, "--run", "mine", "--shard", f"{number}/3"))
    assert run_names(root) == ["mine.1-of-3", "mine.3-of-3"]
    merge = ("store", "merge", root, "--into", root)
    assert "1 of 3 shards are missing: 2/3;" in refused(*merge)
    done = restmcts(*merge, "--partial")
    assert "mine: 3 searches of 2 shards" in done.output
    assert "Missing or not done: 2/3" in done.output
    restmcts(*asked(many, policy, root, "--run", "mine"))
    assert trees(root, "mine") == trees(whole, "mine")
    assert check(root) == []


def test_shards_that_cannot_be(policy: Path, many: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    assert "write NUMBER/COUNT" in refused(*asked(many, policy, root, "--shard", "3/2"))
    line = refused(*asked(many, policy, root, "--shard", "1/6"))
    assert "there are 5 problems" in line and "take at most 5 shards" in line
    train = write_lines(tmp_path / "train.jsonl", {"problem": "Apply +3, +2 to 1", "answer": "6"})
    mcts = ("--method", "mcts", "--train", train, "--shard", "1/2")
    assert "every shard would bootstrap a value model" in refused(*asked(many, policy, root, *mcts))
    recipe = tmp_path / "loop.toml"
    recipe.write_text('recipe = "loop"\nshard = "1/2"\n[problems]\ndata_set = "tiny"\n', "utf-8")
    assert "a loop learns from all of its searches" in refused("iterate", recipe, "--root", root)
    assert not root.exists()


def test_another_shard_is_another_run(policy: Path, many: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    restmcts(*asked(many, policy, root, "--run", "mine", "--shard", "1/2"))
    folder = RunLayout(root, "mine.1-of-2").folder
    folder.rename(folder.with_name("mine.2-of-2"))
    line = refused(*asked(many, policy, root, "--run", "mine", "--shard", "2/2"))
    assert '-shard = "1/2"' in line and '+shard = "2/2"' in line
    assert "does not end in '.1-of-2'" in refused("store", "merge", root, "--into", root)


def test_shards_of_other_recipes_are_refused(policy: Path, many: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    restmcts(*asked(many, policy, root, "--shard", "1/2"))
    restmcts(*asked(many, policy, root, "--shard", "2/2", "--seed", 2))
    line = refused("store", "merge", root, "--into", root)
    assert "-seed = 1 +seed = 2" in line


def test_a_shard_that_was_killed_goes_on(policy: Path, many: Path, tmp_path: Path) -> None:
    """The job of a shard is ended by the cluster, and submitted again."""
    whole, root = tmp_path / "whole", tmp_path / "store"
    restmcts(*asked(many, policy, whole))
    restmcts(*asked(many, policy, root, "--shard", "2/2"))
    one = asked(many, policy, root, "--shard", "1/2")
    process = start_command(*one)
    layout = RunLayout(root, "search-self-consistency.1-of-2")
    while process.poll() is None and not has_started(layout):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    merge = ("store", "merge", root, "--into", root)
    if process.returncode:
        assert "1/2 (not done)" in refused(*merge)
    restmcts(*one)
    restmcts(*merge)
    assert trees(root, "search-self-consistency") == trees(whole, "search-self-consistency")
    assert check(root) == []
