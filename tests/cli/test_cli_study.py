"""`restmcts study` from end to end: several arms and seeds on models so small that runs take seconds."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from store.check import check
from store.files.lock import is_locked
from tests.cli.commands import SMALL, Done, refused, restmcts, start_command, state
from tests.support.stores import contents, problems_of

STUDY = f"""
study = "few"
recipe = {json.dumps(str(SMALL))}
seeds = [1, 2]
[changes]
control = false
evaluation = {{ methods = [], each_iteration = [], problems = 8 }}
[arms.guided]
[arms.sampled]
loop = "rest-em"
loop_settings = {{ samples = 4 }}
[arms.demonstrations]
loop = "demonstrations"
"""
RUNS = [f"few-{arm}-{seed}" for arm in ("guided", "sampled", "demonstrations") for seed in (1, 2)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "few.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def done(study: Path) -> tuple[Path, Done]:
    root = study.parent / "store"
    return root, restmcts("study", study, "--root", root)


def journal(root: Path, run: str) -> list[dict[str, object]]:
    lines = (root / "runs" / run / "phases.jsonl").read_bytes().splitlines()
    return [row for row in map(json.loads, lines) if row["event"] == "done"]


def test_every_arm_is_run_with_every_seed(done: tuple[Path, Done]) -> None:
    root, said = done
    assert sorted(path.name for path in (root / "runs").iterdir()) == sorted(RUNS)
    assert "run 6 of 6: demonstrations, seed 2" in said.errors
    assert check(root) == []


def test_what_arms_have_in_common_is_done_once(done: tuple[Path, Done]) -> None:
    root, _ = done
    for arm in ("sampled", "demonstrations"):
        for seed in (1, 2):
            rows = journal(root, f"few-{arm}-{seed}")
            shared = {row["phase"]: row["source"] for row in rows if "source" in row}
            assert shared == dict.fromkeys(("0.train-policy", "0.validate"), f"few-guided-{seed}")
    assert not any("source" in row for row in journal(root, "few-guided-1"))


def test_a_run_that_shares_is_equal_to_one_alone(
    done: tuple[Path, Done], study: Path, tmp_path: Path
) -> None:
    restmcts("study", study, "--root", tmp_path, "--arm", "sampled", "--seed", 2)
    assert contents(tmp_path, "few-sampled-2") == contents(done[0], "few-sampled-2")


def test_started_again_it_changes_nothing(done: tuple[Path, Done], study: Path) -> None:
    before = state(done[0])
    restmcts("study", study, "--root", done[0])
    assert state(done[0]) == before


def test_killed_while_it_takes_over_it_goes_on(done: tuple[Path, Done], study: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(done[0] / "runs" / "few-guided-1", root / "runs" / "few-guided-1")
    process = start_command("study", study, "--root", root, "--seed", 1)
    assert process.stderr is not None
    for line in process.stderr:
        if "0.validate: taken over" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    restmcts("study", study, "--root", root, "--seed", 1)
    expected = contents(done[0], "few-sampled-1")
    assert problems_of(root, expected, "few-sampled-1") == []


def test_seeds_side_by_side_end_in_order_go_on_and_make_what_one_by_one_makes(
    done: tuple[Path, Done], study: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    words = ("study", study, "--root", root, "--arm", "demonstrations", "--jobs", 2)
    process = start_command(*words)
    assert process.stderr is not None
    for line in process.stderr:
        if "0.train-policy" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    for seed in (1, 2):
        assert not is_locked(root / "runs" / f"few-demonstrations-{seed}")
    page = tmp_path / "few.html"
    said = restmcts(*words, "--report", page)
    assert "seed 1: run 1 of 1" in said.errors and "seed 2: run 1 of 1" in said.errors
    for seed in (1, 2):
        name = f"few-demonstrations-{seed}"
        assert contents(root, name) == contents(done[0], name)
    assert check(root) == []
    assert "few-demonstrations-2" in page.read_text()


def test_a_seed_that_fails_beside_others_is_named(study: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "few-demonstrations-2").write_text("in the way")
    said = restmcts(
        "study", study, "--root", tmp_path, "--arm", "demonstrations", "--jobs", 2, "--only-run", code=1
    )
    assert said.errors.splitlines()[-1].startswith("error: seed 2 ended with exit code")


def test_what_is_no_study_is_refused(study: Path, tmp_path: Path) -> None:
    assert "no study 'tiny'" in refused("study", "tiny", "--root", tmp_path)
    assert "the study has 1, 2" in refused("study", study, "--root", tmp_path, "--seed", 3)
    assert not list(tmp_path.iterdir())
