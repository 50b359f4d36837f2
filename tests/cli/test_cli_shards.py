"""A search in shards, as array jobs make it: each a process with a store of its own, merged into one run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from store.check import check
from store.files.layout import RunLayout, run_names
from tests.cli.commands import refused, restmcts, start_command, write_lines
from tests.support.stores import without_times

COUNT = 5
RUN = "search-self-consistency"


def asked(problems: Path, policy: Path, root: Path, *more: object) -> tuple[object, ...]:
    method = ("--method", "self-consistency", "--budget", 30)
    return ("search", *method, "--problems", problems, "--policy", policy, "--root", root, *more)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"problem": f"Apply +1, +2 to {number}", "answer": str(number + 3)} for number in range(COUNT)]
    return write_lines(tmp_path_factory.mktemp("problems") / "many.jsonl", *rows)


@pytest.fixture(scope="module")
def whole(policy: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """The search that nobody has shared out."""
    root = tmp_path_factory.mktemp("whole")
    restmcts(*asked(many, policy, root))
    return RunLayout(root, RUN)


def trees(layout: RunLayout) -> list[str | None]:
    return list(map(without_times, layout.trees("search").read_text().splitlines()))


def has_started(layout: RunLayout) -> bool:
    return layout.phases.exists() and b'"event":"started"' in layout.phases.read_bytes()


def test_shards_are_the_whole_search(policy: Path, many: Path, whole: RunLayout, tmp_path: Path) -> None:
    nodes, into = [tmp_path / f"node-{number}" for number in (1, 2)], tmp_path / "all"
    for number, node in enumerate(nodes, 1):
        done = restmcts(*asked(many, policy, node, "--shard", f"{number}/2"))
        run = f"{RUN}.{number}-of-2"
        assert f"restmcts show {run}/search/{number - 1} --root {node}" in done.output
        assert f"Merge all 2 shards:  restmcts store merge {node} --into {node}" in done.output
        assert run_names(node) == [run]
    (found,) = restmcts("store", "merge", *nodes, "--into", into, "--json").json()
    shards = [str(RunLayout(node, f"{RUN}.{number}-of-2").folder) for number, node in enumerate(nodes, 1)]
    assert found == {"run": RUN, "new": True, "sources": shards, "searches": COUNT, "missing": []}
    layout = RunLayout(into, RUN)
    assert trees(layout) == trees(whole)
    assert layout.config.read_bytes() == whole.config.read_bytes()
    assert check(into) == []
    # It is the run that the command without --shard goes on with, which finds nothing to do.
    before = layout.trees("search").read_bytes()
    assert f"{COUNT} problems searched" in restmcts(*asked(many, policy, into)).output
    assert layout.trees("search").read_bytes() == before


def test_what_is_missing_is_searched_after_a_partial_merge(
    policy: Path, many: Path, whole: RunLayout, tmp_path: Path
) -> None:
    """The job of one shard is killed while it runs."""
    root = tmp_path / "store"
    for number in (1, 3):
        restmcts(*asked(many, policy, root, "--run", "mine", "--shard", f"{number}/3"))
    process = start_command(*asked(many, policy, root, "--run", "mine", "--shard", "2/3"))
    while process.poll() is None and not has_started(RunLayout(root, "mine.2-of-3")):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert run_names(root) == [f"mine.{number}-of-3" for number in (1, 2, 3)]
    merge = ("store", "merge", root, "--into", root)
    assert "1 of 3 shards are missing: 2/3 (not done);" in refused(*merge)
    done = restmcts(*merge, "--partial")
    assert "searches of 3 shards" in done.output
    assert "Missing or not done: 2/3; the command of the search with --run mine" in done.output
    restmcts(*asked(many, policy, root, "--run", "mine"))
    assert trees(RunLayout(root, "mine")) == trees(whole)
    # The killed shard was not in the index yet: its command, or a rebuild, would bring it there.
    assert [finding for finding in check(root) if "mine.2-of-3" not in finding] == []


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


def test_another_shard_or_recipe_is_another_run(policy: Path, many: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    restmcts(*asked(many, policy, root, "--shard", "1/2"))
    restmcts(*asked(many, policy, root, "--shard", "2/2", "--seed", 2))
    assert "-seed = 1 +seed = 2" in refused("store", "merge", root, "--into", root)
    folder = RunLayout(root, f"{RUN}.1-of-2").folder
    folder.rename(folder.with_name("mine.2-of-2"))
    line = refused(*asked(many, policy, root, "--run", "mine", "--shard", "2/2"))
    assert '-shard = "1/2"' in line and '+shard = "2/2"' in line
    assert "does not end in '.1-of-2'" in refused("store", "merge", root, "--into", root)
