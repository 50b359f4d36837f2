"""What cannot work is said in one line, with an exit code, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.check import check
from tests.cli.commands import SMALL, refused, restmcts, write_lines
from tests.support.stores import contents

GOOD = {"problem": "Apply +1, +2 to 4", "answer": "7"}


def greedy(problems: Path, policy: Path, root: Path) -> tuple[object, ...]:
    return ("search", "--method", "greedy", "--problems", problems, "--policy", policy, "--root", root)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([GOOD, '{"problem": '], "problems.jsonl:2: broken JSON at column "),
        ([GOOD, {"answer": "7"}], "problems.jsonl:2: 'problem' is missing or empty"),
        (
            [GOOD | {"id": "a"}, GOOD, GOOD | {"id": "a"}],
            "problems.jsonl:3: the id 'a' stands on line 1 already",
        ),
        ([""], "problems.jsonl holds no problem"),
        ([[1, 2]], "problems.jsonl:1: this is no JSON object"),
    ],
)
def test_bad_problems(policy: Path, tmp_path: Path, lines: list[object], expected: str) -> None:
    path = write_lines(tmp_path / "problems.jsonl", *lines)
    assert expected in refused(*greedy(path, policy, tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_problems_to_learn_from_need_answers(policy: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems.jsonl", GOOD, {"problem": "Apply +1, +2 to 4"})
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'recipe = "mine"\n[models]\npolicy = "{policy}"\n[problems]\ntrain = "{path}"\n', "utf-8"
    )
    assert "problems.jsonl:2: 'answer' is missing" in refused("iterate", recipe, "--root", tmp_path / "store")


def test_missing_files(policy: Path, tmp_path: Path) -> None:
    missing, root = tmp_path / "missing", tmp_path / "store"
    assert f"{missing} does not exist" in refused(*greedy(missing, policy, root))
    assert f"{missing}: no such folder" in refused(*greedy(write_lines(tmp_path / "p", GOOD), missing, root))
    assert f"{missing}.toml: cannot read the recipe" in refused("iterate", f"{missing}.toml", "--root", root)
    assert f"{missing}: no such folder" in refused("runs", "--root", missing)
    assert "no run 'x'" in refused("label", "x", "--root", missing)
    assert f"{missing}: no such file" in refused("train", "policy", missing, "--from", policy, "--to", root)
    assert not root.exists()


def test_unknown_keys_name_the_nearest(tmp_path: Path) -> None:
    line = refused("iterate", SMALL, "--root", tmp_path, "-o", "policy_training.learning_rat=1")
    assert "unknown key 'policy_training.learning_rat': did you mean 'learning_rate'?" in line
    line = refused("iterate", SMALL, "--root", tmp_path, "-o", "generation.settings.acept=1")
    assert "did you mean 'accept'?" in line
    assert "Traceback" not in line


def test_wrong_options(policy: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems.jsonl", GOOD)
    asked = greedy(path, policy, tmp_path / "store")
    assert "--budget" in refused(*asked, "--budget", 0)
    assert "No such option: --bugdet" in refused(*asked, "--bugdet", 1)
    assert "unknown search method 'astar'" in refused(*asked[:2], "astar", *asked[3:])
    assert "Missing argument" in refused("show")
    assert "No such command 'itarate'" in refused("itarate")
    assert "choose from" in refused("label", "small", "--rule", "best")
    assert "write key=value" in refused(*asked, "-o", "seed")
    assert not (tmp_path / "store").exists()


def test_a_model_folder_without_tokenizer(policy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(policy, folder)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    path = write_lines(tmp_path / "problems.jsonl", GOOD)
    assert f"{folder}: no tokenizer" in refused(*greedy(path, folder, tmp_path / "store"))


def test_a_value_model_with_two_labels(policy: Path, value: Path, tmp_path: Path) -> None:
    folder = tmp_path / "value"
    shutil.copytree(value, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    path = write_lines(tmp_path / "problems.jsonl", GOOD)
    line = refused(
        "search", "--problems", path, "--policy", policy, "--value", folder, "--root", tmp_path / "s"
    )
    assert "one regression label" in line
    assert "this one has 2" in line


def test_problems_longer_than_the_context(policy: Path, tmp_path: Path) -> None:
    long = {"id": "long", "problem": "Apply" + " +1," * 500 + " +2 to 4", "answer": "7"}
    path = write_lines(tmp_path / "problems.jsonl", long, long | {"id": "longer"})
    line = refused(*greedy(path, policy, tmp_path / "store"))
    assert "problem 'long' is " in line
    assert "tokens long, but the policy" in line


def test_a_place_that_cannot_be_written(policy: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems.jsonl", GOOD)
    assert f"cannot write {path}" in refused(*greedy(path, policy, path / "store"), code=1)
    assert "cannot write /proc/store" in refused(*greedy(path, policy, Path("/proc/store")), code=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with little space; skips where this process may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1400k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_loses_nothing(small_disk: Path, store: Path) -> None:
    errors = restmcts("iterate", SMALL, "--root", small_disk, code=1).errors
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert errors.endswith(f"{line}\n") and "Traceback" not in errors
    assert "No space left on device" in line or "disk is full" in line
    finished = [path for path in small_disk.rglob("trees/*.jsonl") if path.stat().st_size]
    assert finished
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    restmcts("iterate", SMALL, "--root", small_disk)
    assert contents(small_disk, "small") == contents(store, "small")
    assert check(small_disk) == []


def test_a_disk_that_can_only_be_read(small_disk: Path, policy: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems.jsonl", GOOD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    line = refused(*greedy(path, policy, small_disk), code=1)
    assert f"cannot write {small_disk}" in line
    assert "folder that can be written" in line


def test_a_run_can_be_looked_at_on_a_disk_that_can_only_be_read(small_disk: Path, store: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    shutil.copytree(store, small_disk / "store")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "small" in restmcts("runs", "--root", small_disk / "store").output
    assert "node  depth" in restmcts("show", "small/0.search/0", "--root", small_disk / "store").output
    assert "no problems found" in restmcts("store", "check", "--root", small_disk / "store").output
