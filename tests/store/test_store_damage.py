"""What was damaged is found, and a run that was damaged does not go on as if it had not been."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.check import check, rebuild
from store.errors import StoreError
from store.files.layout import RunLayout
from tests.store.build import PHASE, fill, open_run, record
from tests.support.damage import damage, is_harmless, run_files
from tests.support.small_runs import RUN, go_on
from tests.support.stores import contents, make_older

if TYPE_CHECKING:
    from collections.abc import Callable

FINISHED = RunLayout(Path(), RUN).folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    go_on(root)
    return root


def copy(root: Path, to: Path) -> Path:
    """A copy of a store without its index, which would know the sizes of the files."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(root / "runs", to / "runs")
    return to


def findings(root: Path) -> list[str]:
    return [finding for finding in check(root) if "index.db" not in finding]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_byte_that_changes_is_found(
    finished: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = copy(finished, tmp_path_factory.getbasetemp() / "flipped")
    path = data.draw(st.sampled_from(run_files(root / FINISHED)))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    after = data.draw(st.sampled_from([before[:place], before[:place] + before[place + 1 :], None]))
    if after is None:
        changed = before[place] ^ data.draw(st.integers(1, 255))
        after = before[:place] + bytes([changed]) + before[place + 1 :]
    path.write_bytes(after)
    assert findings(root) or is_harmless(finished / FINISHED, root / FINISHED)


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_is_found_and_changes_nothing_silently(finished: Path, tmp_path: Path, seed: int) -> None:
    root = copy(finished, tmp_path / "damaged")
    done = damage(root / FINISHED, random.Random(seed))
    found = findings(root)
    assert found or is_harmless(finished / FINISHED, root / FINISHED), done
    rebuild(root)
    assert findings(root) == found, done
    try:
        go_on(root)
    except StoreError as error:
        assert "\n" not in str(error)
        return
    expected = contents(finished, RUN)
    assert contents(root, RUN) == expected or findings(root), done


def edit(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


LOST: list[tuple[str, Callable[[RunLayout], object], str]] = [
    ("trees", lambda run: run.trees("0.search").unlink(), r"0\.search\.jsonl: missing; phase '0.search'"),
    ("a tree", lambda run: edit(run.trees("0.search"), lambda rows: rows[1:]), r"2 lines instead of 3"),
    ("samples", lambda run: run.samples("0.label").write_bytes(b""), r"0\.label\.jsonl: not as phase"),
    ("a loss", lambda run: edit(run.metrics, lambda rows: rows[1:]), r"rows of phase '0.train-policy' are"),
    ("results", lambda run: run.evaluations.unlink(), r"evaluations\.jsonl: the rows of phase '1.evaluate'"),
    ("recipe", lambda run: run.config.write_text('recipe = "x"\n'), r"run\.toml: not as the start of the"),
    ("environment", lambda run: run.environment.unlink(), r"env\.json: missing; the start of the run"),
    ("history", lambda run: run.phases.unlink(), r"a phase that .*phases\.jsonl does not"),
    ("a line", lambda run: edit(run.phases, lambda rows: rows[:5] + rows[6:]), r"jsonl:6: it has number 7"),
    (
        "labels",
        lambda run: edit(run.labels("0.search", "rest-mcts"), lambda rows: rows[:-1]),
        r"rest-mcts\.jsonl: not as a labelling wrote it",
    ),
    (
        "tokenizer",
        lambda run: (run.checkpoint(0, "policy") / "config.json").unlink(),
        r"config\.json: missing; phase '0.train-policy' wrote it",
    ),
    (
        "a stranger",
        lambda run: (run.checkpoint(0, "policy") / "adapter_config.json").write_text("{}"),
        r"adapter_config\.json: phase '0.train-policy' did not write it",
    ),
]


@pytest.mark.parametrize(("name", "lose", "finding"), LOST, ids=[name for name, _, _ in LOST])
def test_a_run_that_lost_something_does_not_go_on(
    finished: Path, tmp_path: Path, name: str, lose: Callable[[RunLayout], object], finding: str
) -> None:
    root = copy(finished, tmp_path)
    lose(RunLayout(root, RUN))
    with pytest.raises(StoreError, match=finding):
        go_on(root)
    assert any(found for found in check(root) if "index.db" not in found)


def test_weights_are_compared_when_they_are_used(finished: Path, tmp_path: Path) -> None:
    root = copy(finished, tmp_path)
    weights = RunLayout(root, RUN).checkpoint(0, "policy") / "model.safetensors"
    weights.write_bytes(bytes(len(weights.read_bytes())))
    notes: list[str] = []
    with open_run(root, RUN, note=notes.append) as writer:
        with pytest.raises(StoreError, match=r"model\.safetensors: not as phase '0.train-policy' wrote it"):
            writer.verify_checkpoint("checkpoints/0/policy")
        writer.verify_checkpoint("checkpoints/0/unknown")
        assert notes == []
    assert ["model.safetensors" in found for found in findings(root)] == [True]


def test_a_checkpoint_that_is_gone_is_missed_by_those_who_ask_for_it(finished: Path, tmp_path: Path) -> None:
    root = copy(finished, tmp_path)
    shutil.rmtree(RunLayout(root, RUN).checkpoint(0, "policy"))
    notes: list[str] = []
    with open_run(root, RUN, note=notes.append) as writer:
        assert ["the checkpoint of phase '0.train-policy' is gone" in note for note in notes] == [True]
        with pytest.raises(StoreError, match="is gone; restore it"):
            writer.verify_checkpoint("checkpoints/0/policy")
    assert any("is gone" in found for found in findings(root))


def test_runs_of_older_versions_are_gone_on_with(tmp_path: Path) -> None:
    """Their lines have no numbers and no checksums, and their phases no fingerprints."""
    with open_run(tmp_path) as writer:
        fill(writer)
        layout = writer.layout
    for path in layout.folder.rglob("*.jsonl"):
        make_older(path)
    rebuild(tmp_path)
    assert check(tmp_path) == []
    with open_run(tmp_path) as writer:
        assert writer.phase_status(PHASE) == "done"
        writer.start_phase("2.search", "search", 2)
        writer.add_tree(record(0, "2.search"))
        writer.finish_phase("2.search", {})
    assert check(tmp_path) == []
    edit(layout.phases, lambda rows: rows[:-2] + rows[-1:])
    assert any("it has number 5 at place 4" in found for found in check(tmp_path))


def test_a_tree_that_is_there_twice_stops_its_phase(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        path = writer.layout.trees(PHASE)
    edit(path, lambda rows: rows * 2)
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        with pytest.raises(StoreError, match=r"1\.search\.jsonl:2: tree 1\.search/0 is there twice; delete"):
            writer.finished_trees(PHASE)


def test_a_line_of_an_open_phase_that_was_changed_is_named(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        writer.add_tree(record(1))
        path = writer.layout.trees(PHASE)
    edit(path, lambda rows: [rows[0].replace(b"answer is 5", b"answer is 6"), *rows[1:]])
    assert any("1.search.jsonl:1: the line was changed" in found for found in check(tmp_path))
    with open_run(tmp_path) as writer, pytest.raises(StoreError, match=r"jsonl:1: the line was changed"):
        writer.start_phase(PHASE, "search", 1)
