"""The life of a run: signals, more problems, other folders, problems that are too long."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from store.check import check
from tests.cli.commands import COMMAND, ENVIRONMENT, SMALL, refused, restmcts, start_command, write_lines
from tests.support.stores import contents, make_older


def numbered(folder: Path, count: int, answers: bool = True) -> Path:
    rows = [
        {"problem": f"Apply +1, +{number % 5} to {number % 7}"}
        | ({"answer": str(number % 7 + 1 + number % 5)} if answers else {})
        for number in range(count)
    ]
    return write_lines(folder / "numbered.jsonl", *rows)


def sampling(problems: Path, policy: Path, root: Path, *more: object) -> tuple[object, ...]:
    asked = ("search", "--method", "self-consistency", "--budget", 40, "--problems", problems)
    return (*asked, "--policy", policy, "--root", root, *more)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_a_run_in_order(tmp_path: Path, number: int, code: int) -> None:
    process = start_command("iterate", SMALL, "--root", tmp_path)
    trees = tmp_path / "runs/small/trees/0.search.jsonl"
    while process.poll() is None and not (trees.exists() and trees.stat().st_size):
        pass
    process.send_signal(number)
    output, errors = process.communicate()
    assert (process.returncode, output) == (code, "")
    assert errors.splitlines()[-1].startswith("stopped; what is finished is stored")
    assert "Traceback" not in errors and "internal error" not in errors
    assert check(tmp_path) == []


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from restmcts.cli.signals import end_as_by_interrupt; end_as_by_interrupt();"
        "signal.raise_signal(signal.SIGHUP); print('on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "on\n"


def test_a_forked_child_ends_at_once() -> None:
    code = (
        "import os, signal; from restmcts.cli.signals import end_as_by_interrupt; end_as_by_interrupt()\n"
        "child = os.fork()\n"
        "if child == 0:\n    signal.pause()\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{-signal.SIGTERM}\n"


def test_a_signal_that_a_destructor_swallowed_ends_the_next_piece_of_work() -> None:
    code = (
        "import signal; from restmcts.cli.signals import end_as_by_interrupt; end_as_by_interrupt()\n"
        "from restmcts.cli.output.console import open_progress\n"
        "class Last:\n    def __del__(self):\n        signal.raise_signal(signal.SIGTERM)\n"
        "last = Last(); del last\n"
        "try:\n    open_progress().start('1.search', 'search', 9)\n"
        "except KeyboardInterrupt:\n    print('ended')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Exception ignored" in done.stderr
    assert done.stdout == "ended\n"


def test_a_larger_limit_goes_on_and_a_smaller_one_is_refused(policy: Path, tmp_path: Path) -> None:
    problems, root = numbered(tmp_path, 12), tmp_path / "store"
    restmcts(*sampling(problems, policy, root, "--limit", 4))
    trees = root / "runs/search-self-consistency/trees/search.jsonl"
    first = trees.read_bytes()
    more = restmcts(*sampling(problems, policy, root, "--limit", 9, "--json")).json()
    assert more["trees"] == 9
    assert trees.read_bytes().startswith(first)
    assert "has 9 searches, and 7 are asked for" in refused(*sampling(problems, policy, root, "--limit", 7))
    assert "was started with 4 problems" in refused(*sampling(problems, policy, root, "--limit", 3))
    assert restmcts(*sampling(problems, policy, root, "--json")).json()["trees"] == 12
    restmcts(*sampling(problems, policy, tmp_path / "at-once"))
    name = "search-self-consistency"
    assert (
        contents(root, name)["trees/search.jsonl"]
        == contents(tmp_path / "at-once", name)["trees/search.jsonl"]
    )
    line = refused(*sampling(problems, policy, root, "-o", "sampling.temperature=0.3"))
    assert "another configuration" in line
    assert check(root) == []


def test_an_evaluation_goes_on_with_more_problems(policy: Path, tmp_path: Path) -> None:
    problems = numbered(tmp_path, 10)

    def evaluated(root: Path, *more: object) -> dict[str, object]:
        methods = ("--method", "greedy", "--method", "self-consistency", "--budget", 20)
        asked = ("eval", "--policy", policy, "--problems", problems, "--root", root, *methods)
        found: dict[str, object] = restmcts(*asked, *more, "--json").json()
        return found

    first = evaluated(tmp_path / "store", "--limit", 4)
    trees = tmp_path / f"store/runs/eval-policy/trees/{first['phase']}.jsonl"
    before = trees.read_bytes()
    more = evaluated(tmp_path / "store", "--limit", 7)
    assert (more["phase"], first["trees"], more["trees"]) == (first["phase"], 8, 14)
    assert trees.read_bytes().startswith(before)
    whole = evaluated(tmp_path / "store")
    assert whole["phase"] == first["phase"]
    problems_of = {row["method"]: row["problems"] for row in whole["rows"]}  # type: ignore[attr-defined]
    assert problems_of == {"greedy": 10, "self-consistency": 10, "oracle (self-consistency)": 10}
    asked = ("eval", "--policy", policy, "--problems", problems, "--root", tmp_path / "store", "--budget", 20)
    line = refused(*asked, "--method", "greedy", "--method", "self-consistency", "--limit", 7)
    assert "has 20 searches, and 14 are asked for" in line
    assert check(tmp_path / "store") == []


def test_a_run_goes_on_from_another_folder(policy: Path, tmp_path: Path) -> None:
    numbered(tmp_path, 3)
    (tmp_path / "deep").mkdir()
    (tmp_path / "model").symlink_to(policy)
    root = tmp_path / "store"
    for place, problems, model in (
        ("", "numbered.jsonl", "model"),
        ("deep", "../numbered.jsonl", "../model"),
    ):
        done = subprocess.run(
            [*COMMAND, *map(str, sampling(Path(problems), Path(model), root, "--json"))],
            capture_output=True,
            text=True,
            env=ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tmp_path / place,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["trees"] == 3
    config = (root / "runs/search-self-consistency/run.toml").read_text()
    assert f'test = "{tmp_path}/numbered.jsonl"' in config
    assert f'policy = "{tmp_path}/model"' in config


def test_a_run_whose_recipe_has_relative_paths_goes_on(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the version before stored them; keys that it did not know have their defaults."""
    problems, root = numbered(tmp_path, 3), tmp_path / "store"
    restmcts(*sampling(problems, policy, root, "--limit", 2))
    config = root / "runs/search-self-consistency/run.toml"
    text = config.read_text().replace(f"{tmp_path}/", "").replace("drop_repeats = true\n", "")
    assert "numbered.jsonl" in text
    config.write_text(text)
    make_older(config.with_name("phases.jsonl"), without=["inputs"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    words = [*COMMAND, *map(str, sampling(problems, policy, root, "--limit", 3, "--json"))]
    environment = ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trees"] == 3
    assert config.read_text() == text


def test_a_problem_that_is_too_long_fails_alone(policy: Path, tmp_path: Path) -> None:
    good = {"problem": "Apply +1, +2 to 4", "answer": "7"}
    long = {"id": "long", "problem": "Apply" + " +1," * 500 + " +2 to 4", "answer": "7"}
    path = write_lines(tmp_path / "problems.jsonl", good, long, good | {"id": "last"})
    done = restmcts(*sampling(path, policy, tmp_path / "store", "--json"), code=3)
    assert (done.json()["trees"], done.json()["failed"]) == (3, 1)
    assert "note: search: 1 of 3 problems are too long and fail: problem 'long' is " in done.errors
    assert "1 searches failed; the same command with --retry-failed" in done.errors
    again = restmcts(*sampling(path, policy, tmp_path / "store", "--retry-failed", "--json"), code=3)
    assert again.json() == done.json()
    assert (
        "tokens long"
        in restmcts("show", "search-self-consistency/search/1", "--root", tmp_path / "store", "--json").output
    )
    assert check(tmp_path / "store") == []
    alone = write_lines(tmp_path / "long.jsonl", long)
    assert "problem 'long' is " in refused(*sampling(alone, policy, tmp_path / "other"))


def test_what_is_not_graded_is_not_counted_as_wrong(policy: Path, tmp_path: Path) -> None:
    path, root = numbered(tmp_path, 3, answers=False), tmp_path / "store"
    assert "3 problems searched, not graded, " in restmcts(*sampling(path, policy, root)).output
    found = restmcts(*sampling(path, policy, root, "--json")).json()
    assert (found["solved"], found["graded"], found["trees"]) == (None, 0, 3)
    assert "%" not in restmcts("runs", "--root", root).output
    (row,) = restmcts("runs", "--root", root, "--json").json()
    assert (row["solved"], row["graded"]) == (None, 0)
    assert "not graded" in restmcts("show", "search-self-consistency", "--root", root).output
    write_lines(path, {"problem": "Apply +1, +2 to 4", "answer": "7"}, {"problem": "Apply +1, +1 to 4"})
    done = restmcts(*sampling(path, policy, tmp_path / "other"))
    assert " of 1 graded solved: " in done.output


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "restmcts", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("restmcts ")


def test_output_without_letters_has_marks(policy: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.jsonl", {"problem": "Wie groß ist Ω – 漢字 👩?", "answer": "7"})
    root = tmp_path / "store"
    restmcts(*sampling(path, policy, root))
    ascii_only: dict[str, Any] = {"PYTHONIOENCODING": "ascii"}
    shown = restmcts("show", "search-self-consistency/search/0", "--root", root, **ascii_only)
    assert "Wie gro? ist ? ? ?? ??" in shown.output and shown.output.isascii()
    assert restmcts("runs", "--root", root, **ascii_only).output.isascii()
    row = restmcts("show", "search-self-consistency/search/0", "--root", root, "--json", **ascii_only)
    assert row.output.isascii()
    assert row.json()["header"]["question"] == "Wie groß ist Ω – 漢字 👩?"


def test_the_screens_need_a_terminal(store: Path) -> None:
    assert "the screens need a terminal" in refused("tui", "--root", store)
    assert "the screens need a terminal" in refused("tui", "small/1.search/0", "--root", store)


def test_hints_can_be_pasted(policy: Path, tmp_path: Path) -> None:
    root = tmp_path / "mein störe's 漢字" / "st"
    done = restmcts(*sampling(numbered(tmp_path, 1), policy, root))
    hint = next(line for line in done.output.splitlines() if line.startswith("Show a tree:"))
    words = f'restmcts() {{ printf "%s\\n" "$@"; }}; {hint.partition(": ")[2]}'
    typed = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True).stdout
    assert typed.splitlines() == ["show", "search-self-consistency/search/0", "--root", str(root)]


def test_paths_that_are_no_text_are_refused(tmp_path: Path) -> None:
    words: list[str | bytes] = [*COMMAND, "runs", "--root", os.fsencode(tmp_path) + b"/\xff"]
    done = subprocess.run(words, capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 2
    assert b"no UTF-8" in done.stderr and done.stderr.count(b"\n") == 1


def test_the_home_folder_in_a_root(store: Path, tmp_path: Path) -> None:
    (tmp_path / "st").symlink_to(store)
    assert "small" in restmcts("runs", "--root", "~/st", HOME=str(tmp_path)).output
    assert "small" in restmcts("runs", HOME=str(tmp_path), RESTMCTS_ROOT="~/st").output


def test_runs_that_the_index_lacks_are_named(own_store: Path) -> None:
    shutil.copytree(own_store / "runs/small", own_store / "runs/copied")
    done = restmcts("runs", "--root", own_store)
    assert "1 runs are not in the index (copied): `restmcts store rebuild` takes them in" in done.errors
    assert "not in its index" in refused("show", "copied", "--root", own_store)
    restmcts("store", "rebuild", "--root", own_store)
    assert restmcts("runs", "--root", own_store).errors == ""


def test_a_large_seed_is_refused(policy: Path, problems: Path, tmp_path: Path) -> None:
    line = refused(*sampling(problems, policy, tmp_path / "store", "--seed", 2**63))
    assert "--seed" in line
