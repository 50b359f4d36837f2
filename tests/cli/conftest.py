"""One small run that all tests of the commands look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import SMALL, Done, restmcts, write_lines


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The store of a run that went to its end, and what the command said. Nobody changes it."""
    root = tmp_path_factory.mktemp("finished") / "store"
    return root, restmcts("iterate", SMALL, "--root", root, anew=True)


@pytest.fixture(scope="session")
def store(finished: tuple[Path, Done]) -> Path:
    return finished[0]


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    root = tmp_path / "store"
    shutil.copytree(store, root)
    return root


@pytest.fixture(scope="session")
def policy(store: Path) -> Path:
    return store / "runs" / "small" / "checkpoints" / "0" / "policy"


@pytest.fixture(scope="session")
def value(store: Path) -> Path:
    return store / "runs" / "small" / "checkpoints" / "0" / "value"


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return write_lines(
        tmp_path / "problems.jsonl",
        {"problem": "Apply +1, +2 to 4", "answer": "7"},
        {"id": "second", "problem": "Apply -1, +2 to 4", "answer": 5},
    )
