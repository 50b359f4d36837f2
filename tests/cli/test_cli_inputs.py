"""A run goes on with the problems and the models that it began with; eval reads what the user knows of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import refused, restmcts, state, write_lines
from tests.support.stores import make_older

OTHER = {"problem": "Apply +2, +2 to 4", "answer": "8"}


def greedy(problems: Path, policy: Path, root: Path) -> tuple[object, ...]:
    return ("search", "--method", "greedy", "--problems", problems, "--policy", policy, "--root", root)


@pytest.fixture
def own_policy(policy: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    shutil.copytree(policy, folder)
    return folder


def test_other_problems_under_the_same_name(policy: Path, problems: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    restmcts(*greedy(problems, policy, root))
    before = state(root)
    restmcts(*greedy(problems, policy, root))
    write_lines(problems, OTHER, OTHER | {"id": "second"})
    line = refused(*greedy(problems, policy, root))
    assert f"{problems}: run 'search-greedy' began with another content" in line
    assert "bytes instead of" in line
    assert state(root) == before


def test_another_policy_under_the_same_name(own_policy: Path, problems: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    asked = greedy(problems, own_policy, root)
    restmcts(*asked)
    # What is searched already is not searched again; the models are looked at when they are opened.
    journal = root / "runs" / "search-greedy" / "phases.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"done"' not in line and '"finished"' not in line))
    config = own_policy / "generation_config.json"
    config.write_text(config.read_text() + "\n")
    assert "generation_config.json has" in refused(*asked)


def test_an_evaluation_is_named_by_what_the_problems_say(
    policy: Path, problems: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    restmcts(*greedy(problems, policy, root))
    moved, other = tmp_path / "moved" / problems.name, tmp_path / "other" / problems.name
    for path in (moved, other):
        path.parent.mkdir()
    shutil.copy(problems, moved)
    write_lines(other, OTHER)
    asked = ("eval", "search-greedy", "--root", root, "--method", "greedy", "--json")
    phases = [restmcts(*asked, "--problems", path).json()["phase"] for path in (problems, moved, other)]
    assert phases[0] == phases[1] != phases[2]


def test_problems_outside_of_a_store_that_it_does_not_know(
    policy: Path, problems: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    restmcts(*greedy(problems, policy, root))
    asked = ("eval", "search-greedy", "--root", root, "--method", "greedy")
    restmcts(*asked)
    make_older(root / "runs" / "search-greedy" / "phases.jsonl", without=["inputs"])
    line = refused(*asked, "--limit", 1)
    assert f"{problems}: run 'search-greedy' reads its problems from this file" in line
    assert "--problems FILE" in line
    restmcts(*asked, "--limit", 1, "--problems", problems)


def test_a_server_that_no_model_is_on(own_store: Path) -> None:
    asked = ("eval", "small", "--root", own_store, "--base-url", "http://127.0.0.1:1/v1")
    assert "are not on a server" in refused(*asked)


def test_the_problems_to_learn_from_are_other_ones(policy: Path, problems: Path, tmp_path: Path) -> None:
    same = write_lines(
        tmp_path / "train.jsonl",
        {"id": "t", "problem": "apply  -1, +2 TO 4 ", "answer": "5"},
    )
    line = refused(
        "search", "--problems", problems, "--policy", policy, "--train", same, "--root", tmp_path / "store"
    )
    assert "problem 'second' of the test problems is also the training problem 't'" in line
