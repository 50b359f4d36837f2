"""Writing a run, and going on with it after a crash, a full disk or a second start."""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings

from store.check import check, rebuild
from store.encoding.rows import labels_from
from store.encoding.searches import encode_search
from store.errors import InputError, StoreError
from store.events import Stopped
from store.files.jsonl import read_rows
from store.records import Metric
from store.runs.writer import RunWriter
from tests.store.build import (
    CHECKPOINT,
    CONFIG,
    EVALUATION,
    LABELS,
    METRIC,
    PHASE,
    POLICY_SAMPLE,
    PREFERENCE_SAMPLE,
    VALUE_SAMPLE,
    fill,
    open_run,
    record,
    tables,
)
from tests.store.strategies import many_searches

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.events import SearchRecord


def started(root: Path) -> RunWriter:
    writer = open_run(root)
    writer.start_phase(PHASE, "search", 1)
    return writer


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
        assert list(writer.read_trees(PHASE)) == [record(n, correct=n != 1) for n in (0, 1, 2)]
        assert writer.finished_trees(PHASE) == {f"{PHASE}/{n}" for n in (0, 1, 2)}
        assert list(writer.read_samples("1.train")) == [POLICY_SAMPLE, VALUE_SAMPLE, PREFERENCE_SAMPLE]
        path = writer.layout.labels(PHASE, "rest-mcts")
        labels = [labels_from(row, str(path)) for _, row in read_rows(path)]
        assert (labels[1].tree, labels[1].values) == (f"{PHASE}/1", LABELS)
        assert writer.phase_status(PHASE) == "done"
        assert writer.phase_summary(PHASE) == {"trees": 3}
        assert writer.phase_status("2.search") is None
        assert writer.phase_summary("2.search") == {}
    assert check(tmp_path) == []


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
        folder = writer.layout.folder
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        "checkpoints.jsonl",
        "env.json",
        "evaluations.jsonl",
        f"labels/{PHASE}.rest-mcts.jsonl",
        "metrics.jsonl",
        "phases.jsonl",
        "run.toml",
        "samples/1.train.jsonl",
        f"trees/{PHASE}.jsonl",
        "writer.lock",
    ]
    assert (folder / "run.toml").read_text() == CONFIG


def test_another_configuration_is_refused_and_shown(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    with pytest.raises(InputError) as caught:
        open_run(tmp_path, config=CONFIG.replace("seed = 1", "seed = 2"))
    assert "-seed = 1\n+seed = 2" in str(caught.value)
    assert "run.toml" in str(caught.value)
    open_run(tmp_path).close()


def test_a_long_difference_is_cut(tmp_path: Path) -> None:
    open_run(tmp_path).close()
    with pytest.raises(InputError, match=r"and 90 more lines"):
        open_run(tmp_path, config="\n".join(f"key{number} = 1" for number in range(100)))


def test_a_configuration_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not TOML"):
        open_run(tmp_path, config="= 3")


def test_another_environment_goes_into_the_journal(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        path = writer.layout.environment
    before = path.read_bytes()
    RunWriter.create_or_open(tmp_path, "first", config=CONFIG, environment={"python": "3.99"}).close()
    assert path.read_bytes() == before
    assert b'"3.99"' in writer.layout.phases.read_bytes()
    assert check(tmp_path) == []


def test_what_a_phase_uses_goes_into_the_journal_once(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.note_uses(PHASE, "search_methods", {"dvts": "restmcts-dvts 0.1"})
        writer.note_uses(PHASE, "search_methods", {"dvts": "restmcts-dvts 0.1"})
        writer.finish_phase(PHASE, {})
    with open_run(tmp_path) as writer:
        writer.note_uses(PHASE, "search_methods", {"dvts": "restmcts-dvts 0.1"})
        writer.note_uses(PHASE, "search_methods", {"dvts": "restmcts-dvts 0.2", "mcts": "restmcts 1.0"})
        assert writer.phase_status(PHASE) == "done"
        with pytest.raises(StoreError, match=r"'4\.search' of run 'first' was never started"):
            writer.note_uses("4.search", "label_rules", {})
        rows = map(orjson.loads, writer.layout.phases.read_bytes().splitlines())
    assert [row["uses"] for row in rows if row["event"] == "uses"] == [
        {"search_methods": {"dvts": "restmcts-dvts 0.1"}},
        {"search_methods": {"dvts": "restmcts-dvts 0.2", "mcts": "restmcts 1.0"}},
    ]
    assert check(tmp_path) == []


def test_two_writers(tmp_path: Path) -> None:
    with open_run(tmp_path):
        with pytest.raises(StoreError, match=f"being written by process {os.getpid()}"):
            open_run(tmp_path)
        open_run(tmp_path, "second").close()
    open_run(tmp_path).close()


def test_a_phase_has_to_be_open(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        calls: list[Callable[[], None]] = [
            lambda: writer.add_tree(record()),
            lambda: writer.add_metric(METRIC),
            lambda: writer.add_evaluation(EVALUATION),
            lambda: writer.add_checkpoint(CHECKPOINT),
            lambda: writer.finish_phase(PHASE, {}),
        ]
        for call in calls:
            with pytest.raises(StoreError, match=r"start it first|start one first"):
                call()
        fill(writer)
        with pytest.raises(StoreError, match="is done"):
            writer.start_phase(PHASE, "search", 1)
        with pytest.raises(StoreError, match="not open"):
            writer.add_tree(record(7))


def test_a_phase_of_a_former_process_has_to_be_started_again(tmp_path: Path) -> None:
    started(tmp_path).close()
    with open_run(tmp_path) as writer:
        assert writer.phase_status(PHASE) == "running"
        with pytest.raises(StoreError, match="start it first"):
            writer.add_tree(record())


def test_a_line_that_is_known_is_written_as_it_is(tmp_path: Path) -> None:
    line = encode_search(record())
    with started(tmp_path / "known") as known, started(tmp_path / "made") as made:
        known.add_tree(record(), line)
        made.add_tree(record())
        with pytest.raises(StoreError, match="is not one line"):
            known.add_tree(record(1), encode_search(record(1)) + b"\n")
        assert known.layout.trees(PHASE).read_bytes() == made.layout.trees(PHASE).read_bytes() == line + b"\n"


def test_a_tree_is_written_once(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_tree(record())
        with pytest.raises(StoreError, match="there already"):
            writer.add_tree(record())
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        with pytest.raises(StoreError, match="there already"):
            writer.add_tree(record())


@pytest.mark.parametrize("tree", ["1.search/x", "1.search/", "1.search/01", "2.search/1", "1", "1.search/-1"])
def test_a_tree_has_to_be_named_after_its_phase(tmp_path: Path, tree: str) -> None:
    search = record()
    with started(tmp_path) as writer, pytest.raises(StoreError, match=r"must be named 1\.search/<number>"):
        writer.add_tree(replace(search, header=replace(search.header, id=tree)))


def test_a_failed_phase_can_be_started_again(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.fail_phase(PHASE, "the engine is gone")
        assert writer.phase_status(PHASE) == "failed"
        assert writer.phase_summary(PHASE) == {"message": "the engine is gone"}
        writer.start_phase(PHASE, "search", 1)
        assert writer.phase_status(PHASE) == "running"
        assert writer.phase_summary(PHASE) == {}


def test_a_summary_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        with pytest.raises(StoreError, match="finite"):
            writer.finish_phase(PHASE, {"accuracy": float("nan")})
        with pytest.raises(StoreError):
            writer.finish_phase(PHASE, {"accuracy": object()})
        assert writer.phase_status(PHASE) == "running"


def test_an_unfinished_phase_keeps_its_trees_and_drops_its_measurements(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        writer.start_phase("0.search", "search", 0)
        writer.add_metric(replace(METRIC, phase="0.search"))
        writer.finish_phase("0.search", {})
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(5))
        writer.add_metric(METRIC)
        writer.add_evaluation(EVALUATION)
        writer.add_checkpoint(CHECKPOINT)
        layout = writer.layout
    with open_run(tmp_path) as writer:
        writer.start_phase(PHASE, "search", 1)
        assert writer.finished_trees(PHASE) == {f"{PHASE}/5"}
        assert layout.metrics.read_bytes().count(b"\n") == 1
        assert layout.evaluations.read_bytes() == layout.checkpoints.read_bytes() == b""
        writer.sync_index()
        found = tables(tmp_path)
    assert [row[2] for row in found["metrics"]] == ["0.search"]
    assert found["evaluations"] == found["checkpoints"] == []
    assert len(found["trees"]) == 1


def failed(number: int) -> SearchRecord:
    """A search that an engine ended."""
    whole = record(number)
    events = (*whole.events[:-1], Stopped("failed", message="no luck"))
    return replace(whole, events=events, result=replace(whole.result, answer=None, reason="failed"))


def test_failed_searches_of_an_unfinished_phase_are_run_again(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        for search in (record(0), failed(1), record(2), failed(3)):
            writer.add_tree(search)
        assert len(writer.finished_trees(PHASE)) == 4
        writer.fail_phase(PHASE, "no luck")
    with started(tmp_path) as writer:
        assert writer.finished_trees(PHASE) == {f"{PHASE}/0", f"{PHASE}/2"}
        writer.sync_index()
        assert len(tables(tmp_path)["trees"]) == 2
        for number in (3, 1):
            writer.add_tree(record(number))
        writer.seal_trees(PHASE)
        assert list(writer.read_trees(PHASE)) == [record(number) for number in range(4)]
        writer.finish_phase(PHASE, {})
        writer.finish_run()
    assert check(tmp_path) == []
    before = tables(tmp_path)
    rebuild(tmp_path)
    assert tables(tmp_path) == before


def test_a_failed_search_in_the_same_process_can_be_written_again(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_tree(failed(0))
        writer.start_phase(PHASE, "search", 1)
        writer.add_tree(record(0))
        assert list(writer.read_trees(PHASE)) == [record(0)]


def test_labels_of_searches_that_are_run_again_are_dropped(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        for phase in (PHASE, f"{PHASE}.more"):
            writer.start_phase(phase, "search", 1)
        for search in (record(0), failed(1)):
            writer.add_tree(search)
        for phase in (PHASE, f"{PHASE}.more"):
            writer.write_labels(phase, "outcome", [(f"{phase}/{number}", LABELS) for number in (0, 1)])
        writer.write_labels(PHASE, "rest-mcts", [(f"{PHASE}/0", LABELS)])
        untouched = writer.layout.labels(PHASE, "rest-mcts").stat().st_ino
        writer.finish_phase(PHASE, {})
        writer.start_phase(PHASE, "search", 1, again=True)
        lines = writer.layout.labels(PHASE, "outcome").read_text().splitlines()
        assert [orjson.loads(line)["tree"] for line in lines] == [f"{PHASE}/0"]
        assert len(writer.layout.labels(f"{PHASE}.more", "outcome").read_text().splitlines()) == 2
        assert writer.layout.labels(PHASE, "rest-mcts").stat().st_ino == untouched
        writer.finish_phase(PHASE, {})
    assert [finding for finding in check(tmp_path) if ".more" not in finding] == []


def test_failed_searches_of_a_finished_phase_stay(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_tree(failed(0))
        writer.finish_phase(PHASE, {})
    with open_run(tmp_path) as writer:
        assert writer.finished_trees(PHASE) == {f"{PHASE}/0"}


def test_a_resumed_run_ends_with_the_same_files(tmp_path: Path) -> None:
    with open_run(tmp_path / "whole") as writer:
        fill(writer)
    with started(tmp_path / "resumed") as writer:
        writer.add_tree(record(2))
        writer.add_metric(METRIC)
        writer.add_metric(METRIC)
    with open_run(tmp_path / "resumed") as writer:
        fill(writer, (0, 1))
        missing = writer.finished_trees(PHASE)
    assert missing == {f"{PHASE}/{number}" for number in (0, 1, 2)}
    for name in (f"trees/{PHASE}.jsonl", "metrics.jsonl", "evaluations.jsonl", "checkpoints.jsonl"):
        whole, resumed = (tmp_path / root / "runs/first" / name for root in ("whole", "resumed"))
        assert whole.read_bytes() == resumed.read_bytes(), name


def test_sealing_sorts_by_number(tmp_path: Path) -> None:
    order = list(range(30))
    random.Random(1).shuffle(order)
    with started(tmp_path) as writer:
        for number in order[:20]:
            writer.add_tree(record(number))
        writer.sync_index()
        for number in order[20:]:
            writer.add_tree(record(number))
        writer.seal_trees(PHASE)
        assert [search.header.id for search in writer.read_trees(PHASE)] == [
            f"{PHASE}/{n}" for n in range(30)
        ]
        before = writer.layout.trees(PHASE).stat()
        writer.seal_trees(PHASE)
        assert writer.layout.trees(PHASE).stat() == before
        writer.add_tree(record(30))
        writer.sync_index()
        live = tables(tmp_path)
    rebuild(tmp_path)
    assert tables(tmp_path) == live
    assert len(live["trees"]) == 31


def test_sealing_an_empty_phase_does_nothing(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.seal_trees(PHASE)
        assert not writer.layout.trees(PHASE).exists()


@settings(max_examples=20, deadline=None)
@given(many_searches())
def test_any_searches_come_back_and_resume(searches: list[SearchRecord]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        half = len(searches) // 2
        with started(root) as writer:
            for search in searches[:half]:
                writer.add_tree(search)
        with started(root) as writer:
            kept = [search for search in searches[:half] if search.result.reason != "failed"]
            assert writer.finished_trees(PHASE) == {search.header.id for search in kept}
            searches = [*kept, *searches[half:]]
            for search in searches[len(kept) :]:
                writer.add_tree(search)
            writer.seal_trees(PHASE)
            found = list(writer.read_trees(PHASE))
        assert found == sorted(searches, key=lambda search: int(search.header.id.split("/")[1]))


def test_a_failure_under_way_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), started(tmp_path) as writer:
        writer.add_tree(record())
        raise ZeroDivisionError
    with open_run(tmp_path) as writer:
        assert writer.finished_trees(PHASE) == {f"{PHASE}/0"}


def test_a_metric_of_any_name(tmp_path: Path) -> None:
    with started(tmp_path) as writer:
        writer.add_metric(Metric("first", PHASE, None, "\x1b[31mred\ud800", 1.0))
        writer.sync_index()
    assert tables(tmp_path)["metrics"][0][4] == "\x1b[31mred\\ud800"
