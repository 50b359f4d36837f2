"""Loops that learn preferences, from end to end, with real models and trainings."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from store.check import check
from tests.cli.commands import COMMAND, ENVIRONMENT, SMALL, restmcts
from tests.support.stores import contents, problems_of

PREFERENCES = (
    "control=false",
    "preference_training.learning_rate=1e-4",
    "preference_training.updates=4",
    "evaluation.each_iteration=[]",
    "evaluation.methods=[]",
)

SELF_REWARDING = (
    "loop=self-rewarding",
    'loop_settings={samples=6,judge="likelihood"}',
    "generation={tokens=800}",
    "iterations=2",
    *PREFERENCES,
)


def options(policy: Path, keys: tuple[str, ...], *more: str) -> list[str]:
    given = (f'models.policy="{policy}"', *keys, *more)
    return [word for key in given for word in ("-o", key)]


@pytest.fixture(scope="module")
def undisturbed(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("self-rewarding") / "store"
    restmcts("iterate", SMALL, "--root", root, *options(policy, SELF_REWARDING))
    return root


def test_the_policy_learns_from_its_own_judgements(undisturbed: Path, policy: Path) -> None:
    shown = restmcts("show", "small", "--root", undisturbed, "--json").json()
    rows = [(row["kind"], row["iteration"], row["parent"]) for row in shown["checkpoints"]]
    assert rows[0] == ("policy", 1, str(policy))
    assert [row[:2] for row in rows] == [("policy", 1), ("policy", 2)]
    spent = {
        phase["name"]: phase["summary"]["policy_tokens"]
        for phase in shown["phases"]
        if "search" in phase["name"]
    }
    assert all(700 < tokens <= 800 for tokens in spent.values()) and len(spent) == 2
    assert check(undisturbed) == []


MOMENTS = [
    "labels/1.search.judge.jsonl",
    "checkpoints/1/policy/model.safetensors",
    "trees/2.search.jsonl",
]


def test_killed_again_and_again_it_ends_as_if_nothing_was(
    undisturbed: Path, policy: Path, tmp_path: Path
) -> None:
    words = [
        *COMMAND,
        "iterate",
        str(SMALL),
        "--root",
        str(tmp_path),
        *options(policy, SELF_REWARDING, "concurrency=2"),
    ]
    for moment in MOMENTS:
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        path = tmp_path / "runs" / "small" / moment
        while process.poll() is None and not (path.exists() and path.stat().st_size):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    restmcts(*words[len(COMMAND) :])
    found = {name: digest for name, digest in contents(tmp_path, "small").items() if name != "run.toml"}
    expected = {name: digest for name, digest in contents(undisturbed, "small").items() if name != "run.toml"}
    assert found == expected
    assert problems_of(tmp_path, contents(tmp_path, "small"), "small") == []


def test_pairs_of_steps_train_the_policy_after_the_traces(policy: Path, tmp_path: Path) -> None:
    keys = ("loop=step-pairs", "generation.tokens=700", *PREFERENCES)
    restmcts("iterate", SMALL, "--root", tmp_path, *options(policy, keys))
    shown = restmcts("show", "small", "--root", tmp_path, "--json").json()
    parents = {(row["kind"], row["iteration"]): row["parent"] for row in shown["checkpoints"]}
    assert parents["supervised", 1] == str(policy)
    assert parents["policy", 1] == "checkpoints/1/supervised"
    assert check(tmp_path) == []
