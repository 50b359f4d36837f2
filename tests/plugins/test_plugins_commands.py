"""What another distribution adds is found by name by every command; no file of this package changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from restmcts import __version__
from store.check import check
from store.index.reader import StoreReader
from tests.cli.commands import SMALL, Done, refused
from tests.plugins.conftest import SOURCE
from tui.replay.player import Player

ORIGIN = "restmcts-example 0.4"

LIMITS = ("--budget", 60, "-o", "labels.rule=discounted", "-o", "labels.settings.discount=0.5")

Command = Callable[..., Done]


@pytest.fixture(scope="session")
def searched(
    with_plugins: Command, policy: Path, value: Path, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store with a search by the method of the example distribution."""
    folder = tmp_path_factory.mktemp("searched")
    problems = folder / "problems.jsonl"
    rows = [{"problem": f"Apply +1, +{add} to 4", "answer": str(5 + add)} for add in (1, 2, 3)]
    problems.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    root = folder / "store"
    models = ("--policy", policy, "--value", value)
    with_plugins(
        "search", "--problems", problems, *models, "--method", "best-first-step", "--root", root, *LIMITS
    )
    return root


def journal(root: Path, run: str) -> list[dict[str, Any]]:
    """What the phases of a run say about what they used."""
    rows = map(orjson.loads, (root / "runs" / run / "phases.jsonl").read_bytes().splitlines())
    return [row["uses"] for row in rows if row["event"] == "uses"]


def test_a_method_is_one_short_file() -> None:
    for name in ("best_first_step", "discounted", "expert_iteration"):
        assert len((SOURCE / "restmcts_example" / f"{name}.py").read_text("utf-8").splitlines()) < 80


def test_the_method_passes_its_own_checks(installed: Path) -> None:
    words: list[str | os.PathLike[str]] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        os.devnull,
        SOURCE / "checks" / "best_first_step.py",
    ]
    path = os.pathsep.join([str(installed), str(SOURCE.parents[2])])
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stdout


def test_methods_lists_what_is_installed(with_plugins: Command) -> None:
    rows = with_plugins("methods", "--json").json()
    found = [row for row in rows if row["distribution"] == "restmcts-example"]
    assert [(row["kind"], row["name"], row["version"]) for row in found] == [
        ("search method", "best-first-step", "0.4"),
        ("label rule", "discounted", "0.4"),
        ("loop", "expert-iteration", "0.4"),
    ]
    assert all(row["summary"] for row in rows)
    kinds = {"search method", "label rule", "data set", "grader", "loop"}
    assert {row["kind"] for row in rows} >= kinds
    shown = with_plugins("methods").output
    assert ORIGIN in shown and "best of several first steps" in shown


def test_search_stores_trees_and_what_they_came_from(searched: Path) -> None:
    engines, graders, methods = journal(searched, "search-best-first-step")
    assert engines == {"engines": {"transformers": f"restmcts {__version__}"}}
    assert graders == {"graders": {"math": f"restmcts {__version__}"}}
    assert methods == {"search_methods": {"best-first-step": ORIGIN}}
    assert check(searched) == []


def test_the_player_replays_a_tree_without_the_distribution(searched: Path) -> None:
    with StoreReader(searched) as reader:
        record = reader.record("search-best-first-step", "search/0")
    player = Player(record)
    while player.position < player.length:
        player.forward()
    assert player.record.header.method == "best-first-step"
    assert len(player.tree.nodes) == record.result.nodes > 1
    assert player.answer is not None and player.answer.text == record.result.answer


def test_eval_reads_budgets_and_answer_rules_off_the_trees(with_plugins: Command, own_store: Path) -> None:
    asked = (
        "eval",
        "small",
        "--root",
        own_store,
        "--method",
        "best-first-step",
        "--budget",
        20,
        "--budget",
        40,
    )
    rows = with_plugins(*asked, "--limit", 3, "-o", "best-first-step.first_steps=2", "--json").json()["rows"]
    assert {(row["method"], row["budget"]) for row in rows} == {
        (name, budget) for name in ("best-first-step", "oracle (best-first-step)") for budget in (20, 40)
    }
    assert all(0 < row["policy_tokens"] <= row["budget"] for row in rows)
    # A guided search asks for values whatever its answers are read by.
    assert all(row["value_tokens"] > 0 for row in rows)
    assert journal(own_store, "small")[-1] == {"search_methods": {"best-first-step": ORIGIN}}
    assert check(own_store) == []


def test_label_applies_a_rule(with_plugins: Command, own_store: Path) -> None:
    asked = ("label", "small", "--root", own_store, "--rule", "discounted", "--phase", "1.search")
    (row,) = with_plugins(*asked, "--json").json()
    assert row["labelled"] > 0
    assert journal(own_store, "small")[-1] == {"label_rules": {"discounted": ORIGIN}}
    assert check(own_store) == []


def test_label_takes_the_settings_of_the_recipe(
    with_plugins: Command, searched: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    shutil.copytree(searched, root)
    with_plugins("label", "search-best-first-step", "--root", root, "--rule", "discounted")
    lines = (
        (root / "runs" / "search-best-first-step" / "labels" / "search.discounted.jsonl")
        .read_bytes()
        .splitlines()
    )
    values = {value for line in lines for value in orjson.loads(line)["values"]}
    assert {1.0, 0.5} <= values <= {None, 0.0, *(0.5**power for power in range(20))}


def test_the_settings_of_a_rule_are_checked(with_plugins: Command, tmp_path: Path) -> None:
    asked = ("iterate", SMALL, "--root", tmp_path, "-o", "labels.rule=discounted")
    line = with_plugins(*asked, "-o", "labels.settings.discont=0.5", code=2).errors
    assert "unknown key 'discont': did you mean 'discount'?" in line


def test_iterate_runs_a_loop(with_plugins: Command, tmp_path: Path) -> None:
    asked = ("iterate", SMALL, "--root", tmp_path, "-o", "loop=expert-iteration", "--json")
    unknown = with_plugins(*asked, "-o", "loop_settings.rate=2", code=2).errors
    assert "loop_settings of 'expert-iteration'" in unknown and "'rate'" in unknown
    first = with_plugins(*asked, "-o", "loop_settings.searches=2").json()
    assert {row["method"] for row in first["rows"]} == {"self-consistency", "best-of-n, last", "mcts"}
    phases = (tmp_path / "runs" / "small" / "phases.jsonl").read_bytes()
    assert with_plugins(*asked, "-o", "loop_settings.searches=2").json() == first
    assert (tmp_path / "runs" / "small" / "phases.jsonl").read_bytes() == phases
    used = [row["loops"] for row in journal(tmp_path, "small") if "loops" in row]
    assert used and all(row == {"expert-iteration": ORIGIN} for row in used)
    assert check(tmp_path) == []


def test_without_the_distribution_its_names_are_unknown(own_store: Path) -> None:
    line = refused("label", "small", "--root", own_store, "--rule", "discounted")
    assert "unknown label rule 'discounted': choose from rest-mcts, " in line
    line = refused("eval", "small", "--root", own_store, "--method", "best-first-step")
    assert "unknown search method 'best-first-step': choose from greedy, " in line
