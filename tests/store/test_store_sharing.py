"""A run takes over the phases of another, and holds the same as if it had done them."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.check import check
from store.errors import StoreError
from store.files.journal import Journal, read_journal
from store.files.layout import RunLayout
from store.runs.overrides import digest
from store.runs.reading import read_overrides, read_trees
from store.runs.sharing import take_over_phase
from tests.store.build import open_run, record
from tests.support import small_runs
from tests.support.stores import contents

PHASES = ("0.train-policy", "0.search", "0.label", "1.search", "1.evaluate")


@pytest.fixture
def done(tmp_path: Path) -> RunLayout:
    """A run that is done; its labels are those of its phases, as the loops note them."""
    small_runs.go_on(tmp_path)
    return RunLayout(tmp_path, small_runs.RUN)


def take_over(source: RunLayout, *names: str) -> Journal:
    """Take phases over into a run ``second`` of the same store; returns its journal."""
    journal = read_journal(source)
    with open_run(source.root, "second") as writer:
        for name in names:
            take_over_phase(writer, source, journal, name)
    return read_journal(RunLayout(source.root, "second"))


def without_labels(root: Path, run: str) -> dict[str, str]:
    return {path: digest for path, digest in contents(root, run).items() if not path.startswith("labels/")}


def test_the_runs_hold_the_same(done: RunLayout) -> None:
    journal = take_over(done, *PHASES)
    assert without_labels(done.root, "second") == without_labels(done.root, small_runs.RUN)
    assert check(done.root) == []
    before = read_journal(done)
    for name in PHASES:
        mine, other = journal.phases[name], before.phases[name]
        assert (mine.files, mine.rows, mine.summary) == (other.files, other.rows, other.summary)
        assert (mine.seconds, mine.source, other.source) == (other.seconds, small_runs.RUN, None)
        assert mine.uses == other.uses


def test_weights_are_stored_once(done: RunLayout) -> None:
    take_over(done, "0.train-policy")
    paths = [layout.checkpoint(0, "policy") for layout in (done, RunLayout(done.root, "second"))]
    first, second = (path / "model.safetensors" for path in paths)
    assert first.samefile(second)
    assert not (paths[0] / "restmcts-checkpoint.json").samefile(paths[1] / "restmcts-checkpoint.json")


def test_without_links_weights_are_copied(done: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    take_over(done, "0.train-policy")
    first, second = (RunLayout(done.root, run).checkpoint(0, "policy") for run in (small_runs.RUN, "second"))
    for path in second.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes()
        assert not path.samefile(first / path.name)
    assert check(done.root) == []


def test_labels_come_with_the_phase_that_wrote_them(tmp_path: Path) -> None:
    with open_run(tmp_path, "first") as writer:
        small_runs.phase(writer, "0.search", "search", small_runs.search)
        writer.start_phase("0.label", "label", 0)
        small_runs.label(writer, "0.label")
        writer.finish_phase("0.label", {"search": "0.search"})
    take_over(RunLayout(tmp_path, "first"), "0.search", "0.label")
    assert contents(tmp_path, "second") == contents(tmp_path, "first")
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("phase", "path"),
    [
        ("0.search", "trees/0.search.jsonl"),
        ("0.label", "samples/0.label.jsonl"),
        ("0.train-policy", "checkpoints/0/policy/model.safetensors"),
        ("0.train-policy", "checkpoints/0/policy/config.json"),
    ],
)
def test_what_was_damaged_is_not_taken_over(done: RunLayout, phase: str, path: str) -> None:
    take_over(done, *(name for name in ("0.search",) if phase == "0.label"))
    file = done.folder / path
    data = file.read_bytes()
    file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    with pytest.raises(StoreError, match="not as its run wrote it"):
        take_over(done, phase)
    assert read_journal(RunLayout(done.root, "second")).phases[phase].status == "failed"
    file.write_bytes(data)
    journal = take_over(done, phase)  # started again, it goes on
    assert journal.phases[phase].status == "done"
    assert check(done.root) == []


def test_a_phase_that_is_not_done_is_not_taken_over(tmp_path: Path) -> None:
    with open_run(tmp_path, "first") as writer:
        writer.start_phase("0.search", "search", 0)
    for name in ("0.search", "0.label"):
        with pytest.raises(StoreError, match=f"has not done phase '{name}'"):
            take_over(RunLayout(tmp_path, "first"), name)


def test_a_link_in_the_other_run_is_not_followed(done: RunLayout, tmp_path: Path) -> None:
    file = done.trees("0.search")
    secret = tmp_path / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    with pytest.raises(StoreError, match="symbolic link"):
        take_over(done, "0.search")


def test_verdicts_that_a_person_has_changed_come_along_once(done: RunLayout) -> None:
    question = digest(record(0, "0.search").header.question)
    with open_run(done.root, done.run) as writer:
        writer.override("problem-0", question, "5", False, "because")
        writer.override("problem-1", question, "5", False, "because")
        writer.override("problem-1", question, "5", None, "a mistake")
    take_over(done, "0.search", "1.search")
    second = RunLayout(done.root, "second")
    assert [row.problem for row in read_overrides(second).log] == ["problem-0"]
    found = [search.result.correct for search in read_trees(second, "0.search")]
    assert found == [search.result.correct for search in read_trees(done, "0.search")]
    assert False in found
    assert check(done.root) == []
