"""A run with rare answers left out and two settings of one method: labels and rows of both are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.check import check
from tests.cli.commands import SMALL, restmcts

TWO_CHOICES = 'evaluation.methods=[{method="mcts",settings={rounds=0}},{method="mcts",settings={rounds=1}}]'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("choices") / "store"
    restmcts("iterate", SMALL, "--root", root, "-o", "bootstrap.least_samples=3", "-o", TWO_CHOICES)
    return root


def test_label_gives_the_labels_of_the_loop(root: Path) -> None:
    folder = root / "runs" / "small" / "labels"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    restmcts("label", "small", "--rule", "rest-mcts", "--root", root)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert check(root) == []


def test_two_settings_of_a_method_have_rows_of_their_own(root: Path) -> None:
    rows = restmcts("show", "small", "--root", root, "--json").json()["evaluations"]
    final = {row["method"]: row["problems"] for row in rows if row["phase"] == "final.evaluate"}
    assert final == {"mcts (rounds=0)": 8, "mcts (rounds=1)": 8}
