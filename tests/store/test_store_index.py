"""The index is what the files say, however it came about."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

import store.index.follower
from store.check import rebuild
from store.encoding.lines import parse_line
from store.errors import StoreError
from store.files.atomic import replace_file
from store.files.layout import index_path
from store.index.index import Index
from store.index.migrations import INDEX, migrate
from store.index.schema import TABLES
from store.index.tables import source
from store.runs.writer import RunWriter
from store.tree import fold
from tests.store.build import (
    CONFIG,
    ENVIRONMENT,
    LABELS,
    METRIC,
    PHASE,
    POLICY_SAMPLE,
    VALUE_SAMPLE,
    fill,
    open_run,
    record,
    tables,
)
from tests.store.strategies import many_searches

if TYPE_CHECKING:
    from store.events import SearchRecord


def open_started(root: Path) -> RunWriter:
    writer = open_run(root)
    writer.start_phase(PHASE, "search", 1)
    return writer


@settings(max_examples=25, deadline=None)
@given(many_searches(), st.lists(st.sampled_from(["sync", "seal", "reopen", "label", "metric"]), max_size=6))
def test_a_live_index_is_equal_to_a_rebuilt_one(searches: list[SearchRecord], moves: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writer = open_started(root)
        waiting = list(searches)
        kept: dict[str, SearchRecord] = {}
        for move in [*moves, *["sync"] * len(waiting)]:
            if waiting:
                kept[waiting[-1].header.id] = waiting[-1]
                writer.add_tree(waiting.pop())
            if move == "sync":
                writer.sync_index()
            elif move == "seal":
                writer.seal_trees(PHASE)
            elif move == "reopen":
                writer.close()
                writer = open_started(root)
                # What failed is to be run again.
                kept = {tree: search for tree, search in kept.items() if search.result.reason != "failed"}
            elif move == "label":
                trees = sorted(writer.finished_trees(PHASE))
                writer.write_labels(PHASE, "rule", [(tree, (0.5, None)) for tree in trees])
                writer.write_samples(PHASE, [POLICY_SAMPLE] * len(trees))
            else:
                writer.add_metric(METRIC)
        writer.close()
        live = tables(root)
        assert {row[3] for row in live["trees"]} == kept.keys()
        with closing(sqlite3.connect(index_path(root))) as connection:
            # Raises an error where the full-text index has other words than the rows.
            connection.execute("INSERT INTO steps (steps, rank) VALUES ('integrity-check', 1)")
        rebuild(root)
        assert tables(root) == live


def test_node_rows_are_the_nodes_of_the_tree(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    tree = fold(record(0).events)
    rows = [row for row in tables(tmp_path)["nodes"] if row[1] == f"{PHASE}/0"]
    assert rows == [
        (
            "first",
            f"{PHASE}/0",
            node.id,
            node.parent,
            node.depth,
            None if node.step is None else node.step.text,
            node.score,
            node.value,
            node.visits,
            node.samples,
            int(node.finished),
            node.answer,
            None if node.correct is None else int(node.correct),
        )
        for node in tree.nodes
    ]


def test_every_table_is_filled(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    found = tables(tmp_path)
    assert {name: len(rows) for name, rows in found.items()} == {
        "runs": 1,
        "phases": 1,
        "problems": 3,
        "trees": 3,
        "nodes": 12,
        "labels": 3,
        "samples": 3,
        "checkpoints": 1,
        "metrics": 1,
        "evaluations": 1,
        "outcomes": 0,
        "settings": 2,
        "documents": 3,
        "files": 7,
    }
    assert found["runs"][0][:2] == ("first", "tiny")
    assert [row[3] for row in found["samples"]] == ["trace", "value", "preference"]
    assert [orjson.loads(row[4]) for row in found["labels"]] == [list(LABELS)] * 3
    assert [row[5] for row in found["labels"]] == [0.5] * 3


def test_rebuild_counts(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
        path = writer.layout.trees(PHASE)
    with path.open("ab") as file:
        file.write(b'{"format": 1}\n{"format": 1}\n')
    found = rebuild(tmp_path)
    assert set(found) == {*TABLES, "broken"}
    assert (found["trees"], found["broken"]) == (3, 2)


def test_small_batches_give_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    before = tables(tmp_path)
    monkeypatch.setattr(store.index.follower, "BATCH", 1)
    rebuild(tmp_path)
    assert tables(tmp_path) == before


def test_files_that_were_rewritten_or_shortened_or_removed_are_read_again(tmp_path: Path) -> None:
    with open_started(tmp_path) as writer:
        for number in range(4):
            writer.add_tree(record(number))
        writer.write_labels(PHASE, "rule", [(f"{PHASE}/0", LABELS)])
        writer.write_samples(PHASE, [POLICY_SAMPLE])
        writer.sync_index()
        path, labels = writer.layout.trees(PHASE), writer.layout.labels(PHASE, "rule")
        writer.write_labels(PHASE, "rule", [(f"{PHASE}/1", LABELS)])
        writer.write_samples(PHASE, [VALUE_SAMPLE, VALUE_SAMPLE])
        writer.sync_index()
        found = tables(tmp_path)
        assert {row[1] for row in found["labels"]} == {f"{PHASE}/1"}
        assert [row[3] for row in found["samples"]] == ["value", "value"]
        labels.unlink()
        writer.sync_index()
        assert tables(tmp_path)["labels"] == []
        writer.write_labels(PHASE, "rule", [(f"{PHASE}/1", LABELS)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    with open_run(tmp_path):
        assert [row[2] for row in tables(tmp_path)["trees"]] == [0, 1]
    path.unlink()
    with open_run(tmp_path):
        found = tables(tmp_path)
        assert found["trees"] == found["nodes"] == found["problems"] == []


def test_other_phases_and_runs_stay_when_one_is_read_again(tmp_path: Path) -> None:
    for run in ("first", "second"):
        with open_run(tmp_path, run) as writer:
            for phase in ("1.search", "1.search.more", "11.search"):
                writer.start_phase(phase, "search", 1)
                writer.add_tree(record(0, phase))
                writer.finish_phase(phase, {})
    before = tables(tmp_path)
    path = tmp_path / "runs/first/trees/1.search.jsonl"
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").rename(path)
    with open_run(tmp_path):
        pass
    after = tables(tmp_path)
    assert after["files"] != before["files"]
    assert {**after, "files": None} == {**before, "files": None}


def test_lines_that_make_no_sense_are_left_out_and_told(tmp_path: Path) -> None:
    with open_started(tmp_path) as writer:
        writer.add_tree(record(0))
        path = writer.layout.trees(PHASE)
        with path.open("ab") as file:
            file.write(path.read_bytes())
            file.write(b'{"format": 1, "tree": 3}\n')
            row = orjson.dumps(parse_line(path.read_bytes().splitlines()[0]))
            file.write(row.replace(b'"node":1', b'"node":99') + b"\n")
        findings = writer.sync_index()
        assert [finding.split(": ")[0].rpartition(":")[2] for finding in findings] == ["2", "3", "4"]
        assert "is there twice" in findings[0]
        assert writer.sync_index() == []
        writer.layout.phases.open("ab").write(b'{"format": 1, "event": "party"}\n')
        assert "phases.jsonl:3" in writer.sync_index()[0]
    assert len(tables(tmp_path)["trees"]) == 1


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    before = tables(tmp_path)
    index_path(tmp_path).write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError, match="store rebuild"):
        Index(tmp_path).sync("first")
    rebuild(tmp_path)
    assert tables(tmp_path) == before


def test_several_writers_may_write_several_runs(tmp_path: Path) -> None:
    def write(run: str) -> None:
        with open_run(tmp_path, run) as writer:
            writer.start_phase(PHASE, "search", 1)
            for number in range(20):
                writer.add_tree(record(number))
                writer.sync_index()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [f"run{number}" for number in range(4)]))
    live = tables(tmp_path)
    assert len(live["trees"]) == 80
    rebuild(tmp_path)
    assert tables(tmp_path) == live


@pytest.mark.parametrize("first", range(1, len(INDEX._migrations) + 1))
def test_migrations_from_every_version_up(tmp_path: Path, first: int) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    expected = tables(tmp_path)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{index_path(tmp_path)}{suffix}").unlink(missing_ok=True)
    names = [migration.name for migration in INDEX._migrations]
    assert [name.split()[0] for name in names] == [str(number + 1) for number in range(len(names))]
    connection = sqlite3.connect(index_path(tmp_path), isolation_level=None)
    INDEX.apply(Database(connection), stop_before=names[first] if first < len(names) else None)
    assert [row[0] for row in connection.execute("SELECT name FROM _sqlite_migrations")] == names[:first]
    migrate(Database(connection))
    connection.close()
    with open_run(tmp_path):
        pass
    assert tables(tmp_path) == expected
    connection = sqlite3.connect(index_path(tmp_path))
    assert [row[0] for row in connection.execute("SELECT name FROM _sqlite_migrations")] == names
    connection.close()


def test_evaluations_of_an_index_that_knew_less_are_read_again(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    expected = tables(tmp_path)
    connection = sqlite3.connect(index_path(tmp_path), isolation_level=None)
    for column in ("critic_tokens", "prompt_tokens", "calls", "flops", "searches", "rule"):
        connection.execute(f"ALTER TABLE evaluations DROP COLUMN {column}")
    connection.execute("DELETE FROM _sqlite_migrations WHERE name LIKE '2 %'")
    migrate(Database(connection))
    assert connection.execute("SELECT calls FROM evaluations").fetchall() == [(None,)]
    connection.close()
    with open_run(tmp_path):
        pass
    assert tables(tmp_path) == expected


def test_the_index_is_in_wal_mode_and_sqlite_utils_opens_it(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
        writer.sync_index()
        database = Database(index_path(tmp_path))
        assert database.journal_mode == "wal"
        labelled = database.query(
            "SELECT nodes.step, label.value FROM labels, json_each(labels.labels) AS label "
            "JOIN nodes ON nodes.run = labels.run AND nodes.tree = labels.tree AND nodes.node = label.key "
            "WHERE labels.rule = 'rest-mcts' AND labels.tree = ? ORDER BY nodes.node",
            [f"{PHASE}/0"],
        )
        assert [row["value"] for row in labelled] == list(LABELS)
        database.close()


def test_removed_runs_go_with_a_rebuild(tmp_path: Path) -> None:
    for run in ("first", "second"):
        RunWriter.create_or_open(tmp_path, run, config=CONFIG, environment=ENVIRONMENT).close()
    shutil.rmtree(tmp_path / "runs/first")
    assert rebuild(tmp_path)["runs"] == 1


def test_the_files_tell_how_far_the_index_is(tmp_path: Path) -> None:
    with open_started(tmp_path) as writer:
        writer.add_tree(record(0))
        writer.sync_index()
        path = writer.layout.trees(PHASE)
        with path.open("ab") as file:
            file.write(b'{"torn')
        writer.sync_index()
        (row,) = [row for row in tables(tmp_path)["files"] if row[1].startswith("trees/")]
        assert row[2] == path.stat().st_size - len(b'{"torn')
        assert row[3] == 1


@pytest.mark.parametrize("synced", [False, True])
def test_offsets_move_only_with_the_file_that_was_indexed(tmp_path: Path, synced: bool) -> None:
    with open_started(tmp_path) as writer:
        for number in (1, 0):
            writer.add_tree(record(number))
            if number or synced:
                writer.sync_index()
        path = writer.layout.trees(PHASE)
        before = path.stat().st_ino
        lines = path.read_bytes().splitlines(keepends=True)
        replace_file(path, lines[::-1])
        moved = source(writer.layout, f"trees/{PHASE}.jsonl")
        index = Index(tmp_path)
        index.relocate(moved, before + 1, [(0, 0), (len(lines[1]), 1)])
        index.relocate(moved, before, [(0, 0), (len(lines[1]), 1)])
        index.close()
        offsets = {row[2]: row[23] for row in tables(tmp_path)["trees"]}
        assert offsets == ({0: 0, 1: len(lines[1])} if synced else {1: 0})
        writer.sync_index()
        assert {row[2]: row[23] for row in tables(tmp_path)["trees"]} == {0: 0, 1: len(lines[1])}
