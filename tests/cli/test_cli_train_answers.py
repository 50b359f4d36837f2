"""`restmcts train answers`, and the constants that a run fits itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from restmcts.evaluation.answer_file import ANSWERS, read_answer_file
from restmcts.stored_recipes import stored_recipe
from store.answering.constants import to_row
from store.files.folders import MARKER, find_whole, marked_files
from tests.cli.commands import refused, restmcts


def test_a_run_writes_constants_beside_each_value_model_that_it_trains(store: Path) -> None:
    aggregation = stored_recipe(store, "small")[0].models.value_aggregation
    for iteration in ("0", "1"):
        folder = store / "runs" / "small" / "checkpoints" / iteration / "value"
        assert ANSWERS in (marked_files(folder) or {})
        assert read_answer_file(folder, aggregation) is not None
    assert not (store / "runs" / "small" / "checkpoints" / "1" / "policy" / ANSWERS).exists()


def test_a_search_uses_and_stores_them(own_store: Path, value: Path) -> None:
    asked = ("eval", "small", "--root", own_store, "--method", "posterior-search", "--budget", "30")
    rows = json.loads(restmcts(*asked, "--json").output)
    assert rows["rows"][0]["method"] == "posterior-search"
    tree = json.loads(restmcts("export", "tree", f"small/{rows['phase']}/0", "--root", own_store).output)
    used = tree["header"]["settings"]["constants"]
    aggregation = stored_recipe(own_store, "small")[0].models.value_aggregation
    fitted = read_answer_file(own_store / "runs" / "small" / Path(tree["header"]["value"]), aggregation)
    assert fitted is not None and used == to_row(fitted)


@pytest.mark.parametrize("marked", [True, False])
def test_constants_for_a_value_model_of_ones_own(
    store: Path, value: Path, tmp_path: Path, marked: bool
) -> None:
    own = tmp_path / "own"
    shutil.copytree(value, own)
    (own / ANSWERS).unlink()
    if not marked:
        (own / MARKER).unlink()
        (own / "notes.txt").write_text("mine")
    done = restmcts("train", "answers", "small", "--value", own, "--root", store, "--unseen", "--json")
    found = json.loads(done.output)
    assert found["counts"]["problems"] > 20
    read = read_answer_file(own, "last") or read_answer_file(own, "product")
    assert read is not None and to_row(read) == found["constants"]
    assert find_whole(own) is marked
    assert marked or (own / "notes.txt").read_text() == "mine"


def test_the_checkpoints_of_a_run_keep_theirs(store: Path, value: Path) -> None:
    line = refused("train", "answers", "small", "--value", value, "--root", store)
    assert "is a checkpoint of a run" in line


def test_what_is_no_value_model_is_refused(store: Path, policy: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(policy, own)
    assert "own" in refused("train", "answers", "small", "--value", own, "--root", store)
    assert not (own / ANSWERS).exists()
    assert "no run" in refused("train", "answers", "nothing", "--value", own, "--root", store)
