"""Shards of a search become the run that one process would have made; whole runs are copied."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.check import check
from store.encoding.searches import encode_search
from store.errors import InputError, StoreError
from store.files.journal import read_journal
from store.files.layout import RunLayout, run_names
from store.merging.shards import Shard
from store.runs.notes import add_note, read_notes
from store.runs.overrides import digest
from store.runs.reading import read_overrides
from store.runs.writer import RunWriter
from tests.store.build import ENVIRONMENT, open_run, record, tables
from tests.store.shards import SEARCH, config, damage, made, merged, searched, sharded
from tests.store.strategies import many_searches
from tests.support import small_runs
from tests.support.stores import contents, without_times


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "1 / 2", "x/2", "1/9999999"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(InputError, match="write NUMBER/COUNT"):
        Shard.parse(text)


@given(st.integers(1, 40), st.integers(1, 12))
def test_shards_share_everything_out(size: int, count: int) -> None:
    shards = [Shard.parse(f"{number}/{count}") for number in range(1, count + 1)]
    whole = list(range(size))
    assert sorted(item for shard in shards for item in shard.of(whole)) == whole
    assert all(shard.of(whole) == [number for number in whole if shard.has(number)] for shard in shards)
    assert all(Shard.parse(str(shard)) == shard for shard in shards)


def test_shards_become_the_run_that_has_searched_everything(tmp_path: Path) -> None:
    records = made(7)
    whole = searched(tmp_path / "whole", "search-mcts", records)
    for number in (1, 2, 3):  # as on machines that share no disk
        shard = Shard(number, 3)
        searched(tmp_path / f"node-{number}", f"search-mcts{shard.ending}", shard.of(records), shard)
    nodes = [tmp_path / f"node-{number}" for number in (2, 3, 1)]
    (found,) = merged(*nodes, into=tmp_path / "all")
    assert (found.run, found.new, found.searches, found.missing) == ("search-mcts", True, 7, ())
    layout = RunLayout(tmp_path / "all", "search-mcts")
    assert contents(tmp_path / "all", "search-mcts") == contents(tmp_path / "whole", "search-mcts")
    assert layout.trees("search").read_bytes() == whole.trees("search").read_bytes()
    assert layout.config.read_bytes() == whole.config.read_bytes()
    assert layout.environment.read_bytes() == whole.environment.read_bytes()
    one, other = read_journal(layout), read_journal(whole)
    assert (one.status, one.files) == (other.status, other.files)
    for name in ("summary", "files", "rows", "uses", "kind", "iteration", "status"):
        assert getattr(one.phases["search"], name) == getattr(other.phases["search"], name)
    shards = [
        read_journal(RunLayout(tmp_path / f"node-{number}", f"search-mcts.{number}-of-3"))
        for number in (1, 2, 3)
    ]
    assert one.created == shards[0].created
    assert one.phases["search"].started == shards[0].phases["search"].started
    assert one.phases["search"].seconds == sum(shard.phases["search"].seconds or 0 for shard in shards) > 0
    started = next(row for row in map(json.loads, layout.phases.open()) if row["event"] == "started")
    assert started["shards"] == [f"search-mcts.{number}-of-3" for number in (1, 2, 3)]
    assert check(tmp_path / "all") == []
    left = {path.name for path in (tmp_path / "all").iterdir() if path.name[:8] != "index.db"}
    assert left == {"runs", ".merging.lock"}


@settings(max_examples=8)
@given(st.data())
def test_any_partition_merges_to_the_same_run(data: st.DataObject) -> None:
    """Whatever was searched, in whatever order, and on however many machines, some of it twice."""
    drawn = data.draw(many_searches("search", most=5))
    records = [
        replace(one, header=replace(one.header, id=f"search/{number}")) for number, one in enumerate(drawn)
    ]
    if not records:
        return
    count = data.draw(st.integers(1, len(records)))
    chance = random.Random(data.draw(st.integers()))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        whole = searched(root / "whole", "x", records)
        for number in range(1, count + 1):
            shard = Shard(number, count)
            for place in {data.draw(st.sampled_from("ab")), data.draw(st.sampled_from("ab"))}:
                own = shard.of(records)
                chance.shuffle(own)
                searched(root / place, f"x{shard.ending}", own, shard)
        stores = [root / place for place in "ab" if (root / place).exists()]
        chance.shuffle(stores)
        merged(*stores, into=root / "all")
        layout = RunLayout(root / "all", "x")
        assert layout.trees("search").read_bytes() == whole.trees("search").read_bytes()
        before, now = (read_journal(each).phases["search"] for each in (whole, layout))
        assert (now.files, now.rows, now.summary) == (before.files, before.rows, before.summary)
        wrong = [
            [line.replace(str(root / name), "") for line in check(root / name)] for name in ("all", "whole")
        ]
        assert wrong[0] == wrong[1]


def test_shards_of_one_store_are_merged_beside_other_runs(tmp_path: Path) -> None:
    sharded(tmp_path, made(5), 2)
    small_runs.go_on(tmp_path)
    before = tables(tmp_path)
    (found,) = merged(tmp_path, into=tmp_path)
    assert found.run == "search-mcts"
    assert set(run_names(tmp_path)) == {
        "first",
        "search-mcts",
        "search-mcts.1-of-2",
        "search-mcts.2-of-2",
    }
    after = tables(tmp_path)
    assert len(after["trees"]) == len(before["trees"]) + 5
    assert check(tmp_path) == []


def test_merging_twice_changes_nothing(tmp_path: Path) -> None:
    sharded(tmp_path, made(5), 2)
    merged(tmp_path, into=tmp_path)
    before = contents(tmp_path, "search-mcts")
    (found,) = merged(tmp_path, into=tmp_path)
    assert (found.new, found.searches) == (False, 5)
    assert contents(tmp_path, "search-mcts") == before
    # An index that has missed the run, as when the process ended before it was told, learns of it.
    for path in tmp_path.glob("index.db*"):
        path.unlink()
    merged(tmp_path, into=tmp_path)
    assert {row[0] for row in tables(tmp_path)["runs"]} == {"search-mcts"}


def test_another_run_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    sharded(tmp_path, made(5), 2)
    searched(tmp_path, "search-mcts", made(4))
    before = contents(tmp_path, "search-mcts")
    with pytest.raises(InputError, match="search-mcts is there, and is not what these shards make"):
        merged(tmp_path, into=tmp_path)
    assert contents(tmp_path, "search-mcts") == before
    (found,) = merged(tmp_path, into=tmp_path, name="other")
    assert (found.run, found.searches) == ("other", 5)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    records = made(8)
    for number, done in ((1, True), (3, False)):
        shard = Shard(number, 4)
        searched(tmp_path, f"s{shard.ending}", shard.of(records)[:1], shard, done=done)
    with pytest.raises(
        InputError, match=r"3 of 4 shards are missing: 2/4, 3/4 \(not done\), 4/4; .*--partial"
    ):
        merged(tmp_path, into=tmp_path)
    assert run_names(tmp_path) == ["s.1-of-4", "s.3-of-4"]


def test_a_part_is_merged_and_goes_on(tmp_path: Path) -> None:
    records = made(8)
    whole = searched(tmp_path / "whole", "s", records)
    for number, done in ((1, True), (3, False)):
        shard = Shard(number, 4)
        searched(tmp_path, f"s{shard.ending}", shard.of(records)[: 2 if done else 1], shard, done=done)
    (found,) = merged(tmp_path, into=tmp_path, partial=True)
    assert (found.searches, found.missing) == (3, ("2/4", "3/4", "4/4"))
    assert check(tmp_path) == []
    with RunWriter.create_or_open(tmp_path, "s", config=SEARCH, environment=ENVIRONMENT) as writer:
        assert writer.phase_status("search") == "running"
        writer.start_phase("search", "search", 0)
        there = writer.finished_trees("search")
        assert there == {"search/0", "search/2", "search/4"}
        for one in records:
            if one.header.id not in there:
                writer.add_tree(one)
        writer.seal_trees("search")
        writer.finish_phase("search", {})
    assert RunLayout(tmp_path, "s").trees("search").read_bytes() == whole.trees("search").read_bytes()
    assert check(tmp_path) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            {"text": SEARCH.replace("= 4", "= 5")},
            r"whose run.toml differ:\n-concurrency = 4\n\+concurrency = 5",
        ),
        ({"uses": "restmcts 0.2"}, "has used mcts of restmcts 0.2, and another shard that of restmcts 0.1"),
    ],
)
def test_shards_of_different_searches_are_refused(tmp_path: Path, other: Any, expected: str) -> None:
    records = made(4)
    searched(tmp_path, "s.1-of-2", records[::2], Shard(1, 2))
    searched(tmp_path, "s.2-of-2", records[1::2], Shard(2, 2), **other)
    with pytest.raises(InputError, match=expected):
        merged(tmp_path, into=tmp_path)


def test_shards_of_different_counts_are_refused(tmp_path: Path) -> None:
    searched(tmp_path / "a", "s.1-of-2", made(1), Shard(1, 2))
    searched(tmp_path / "b", "s.1-of-3", made(1), Shard(1, 3))
    with pytest.raises(InputError, match="are the shards 1/2 and 1/3: shards of one search have one count"):
        merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c")


def test_shards_that_have_read_different_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    for number in (1, 2):
        shard = Shard(number, 2)
        layout = searched(tmp_path, f"s{shard.ending}", shard.of(made(4)), shard)
        file.write_text(f"{number}\n")
        with RunWriter.create_or_open(
            tmp_path, layout.run, config=config(shard), environment=ENVIRONMENT
        ) as writer:
            writer.note_input(file)
    with pytest.raises(InputError, match=r"have read another content from .*problems.jsonl"):
        merged(tmp_path, into=tmp_path)


def test_what_was_read_is_known_to_the_merged_run(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text("1\n")
    for number in (1, 2):
        shard = Shard(number, 2)
        searched(tmp_path, f"s{shard.ending}", shard.of(made(4)), shard)
        with RunWriter.create_or_open(
            tmp_path, f"s{shard.ending}", config=config(shard), environment=ENVIRONMENT
        ) as writer:
            writer.note_input(file)
        file.write_text(file.read_text())  # the same content, as on another machine
    merged(tmp_path, into=tmp_path)
    with RunWriter.create_or_open(tmp_path, "s", config=SEARCH, environment=ENVIRONMENT) as writer:
        writer.note_input(file)
        file.write_text("2\n")
        with pytest.raises(InputError, match="began with another content"):
            writer.note_input(file)


def test_a_shard_that_was_searched_twice_counts_once(tmp_path: Path) -> None:
    records = made(4)
    sharded(tmp_path / "a", records, 2, "s")
    slower = [replace(one, result=replace(one.result, seconds=99.0)) for one in records[::2]]
    searched(tmp_path / "b", "s.1-of-2", slower, Shard(1, 2))
    (found,) = merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c")
    assert found.searches == 4
    lines = RunLayout(tmp_path / "c", "s").trees("search").read_text().splitlines()
    assert list(map(without_times, lines)) == [without_times(encode_search(one).decode()) for one in records]


def test_a_shard_that_was_searched_in_two_ways_is_refused(tmp_path: Path) -> None:
    records = made(4)
    sharded(tmp_path / "a", records, 2, "s")
    searched(tmp_path / "b", "s.1-of-2", [record(0, "search", seed=5), records[2]], Shard(1, 2))
    with pytest.raises(InputError, match="searched the shard 1/2, and differ in search/0: give one of them"):
        merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c")
    assert run_names(tmp_path / "c") == []


def test_a_search_that_failed_makes_way(tmp_path: Path) -> None:
    """Of two tries of a shard that were both ended early, with --partial."""
    records = made(4)
    failed = replace(records[0], result=replace(records[0].result, reason="failed"))
    searched(tmp_path / "a", "s.1-of-2", [failed], Shard(1, 2), done=False)
    searched(tmp_path / "b", "s.1-of-2", [records[0]], Shard(1, 2), done=False)
    merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c", partial=True)
    lines = RunLayout(tmp_path / "c", "s").trees("search").read_bytes()
    assert lines == encode_search(records[0]) + b"\n"


def test_of_two_tries_that_are_done_the_one_with_fewer_failures_counts(tmp_path: Path) -> None:
    records = made(4)
    failed = replace(records[0], result=replace(records[0].result, reason="failed", correct=None))
    sharded(tmp_path / "b", records, 2, "s")
    searched(tmp_path / "a", "s.1-of-2", [failed, records[2]], Shard(1, 2))
    merged(tmp_path / "a", tmp_path / "b", into=tmp_path / "c")
    layout = RunLayout(tmp_path / "c", "s")
    assert layout.trees("search").read_bytes() == b"".join(encode_search(one) + b"\n" for one in records)
    assert read_journal(layout).phases["search"].summary["failed"] == 0


def test_a_gap_is_no_whole_search(tmp_path: Path) -> None:
    records = made(6)
    searched(tmp_path, "s.1-of-2", records[::2], Shard(1, 2))
    searched(tmp_path, "s.2-of-2", records[1:2], Shard(2, 2))
    with pytest.raises(StoreError, match=r"s\.2-of-2: lacks search/3, which another shard would have"):
        merged(tmp_path, into=tmp_path)


def test_a_search_of_another_shard_is_refused(tmp_path: Path) -> None:
    searched(tmp_path, "s.1-of-2", made(2), Shard(1, 2))
    with pytest.raises(StoreError, match="search 1 is not of the shard 1/2"):
        merged(tmp_path, into=tmp_path, partial=True)


@pytest.mark.parametrize("name", ["trees/search.jsonl", "phases.jsonl", "run.toml", "env.json"])
def test_what_was_damaged_is_not_merged(tmp_path: Path, name: str) -> None:
    sharded(tmp_path, made(4), 2, "s")
    damage(tmp_path / "runs" / "s.2-of-2" / name)
    with pytest.raises(StoreError, match=f"s.2-of-2/{name}"):
        merged(tmp_path, into=tmp_path / "all")
    assert run_names(tmp_path / "all") == []


def test_a_torn_last_line_of_a_shard_that_was_ended_is_left_out(tmp_path: Path) -> None:
    layout = searched(tmp_path, "s.1-of-2", made(3)[::2], Shard(1, 2), done=False)
    data = layout.trees("search").read_bytes()
    layout.trees("search").write_bytes(data[:-20])
    (found,) = merged(tmp_path, into=tmp_path, partial=True)
    assert found.searches == 1
    assert RunLayout(tmp_path, "s").trees("search").read_bytes() == encode_search(made(1)[0]) + b"\n"


def test_a_shard_that_is_being_searched_is_refused(tmp_path: Path) -> None:
    sharded(tmp_path, made(4), 2, "s")
    with (
        RunWriter.create_or_open(tmp_path, "s.2-of-2", config=config(Shard(2, 2)), environment=ENVIRONMENT),
        pytest.raises(StoreError, match=r"s\.2-of-2 is being written by another process"),
    ):
        merged(tmp_path, into=tmp_path)


def test_a_link_in_a_shard_is_not_followed(tmp_path: Path) -> None:
    sharded(tmp_path / "store", made(4), 2, "s")
    file = RunLayout(tmp_path / "store", "s.1-of-2").trees("search")
    file.rename(tmp_path / "secret")
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(StoreError, match="symbolic link"):
        merged(tmp_path / "store", into=tmp_path / "all")


def test_what_people_have_said_comes_along(tmp_path: Path) -> None:
    sharded(tmp_path, made(4), 2, "s")
    layout = RunLayout(tmp_path, "s.2-of-2")
    question = digest(record(1, "search").header.question)
    with open_run(tmp_path, layout.run, config(Shard(2, 2))) as writer:
        writer.override("problem-1", question, "5", False, "because")
    add_note(layout, "search/1", "look here", 2)
    merged(tmp_path, into=tmp_path)
    whole = RunLayout(tmp_path, "s")
    assert [(row.problem, row.correct, row.reason) for row in read_overrides(whole).log] == [
        ("problem-1", False, "because")
    ]
    assert [(note.run, note.tree, note.event, note.text) for note in read_notes(whole)] == [
        ("s", "search/1", 2, "look here")
    ]
    assert check(tmp_path) == []


def test_other_environments_are_in_the_journal(tmp_path: Path) -> None:
    searched(tmp_path, "s.1-of-2", made(2)[:1], Shard(1, 2))
    searched(tmp_path, "s.2-of-2", made(2)[1:], Shard(2, 2), environment={"python": "3.12"})
    merged(tmp_path, into=tmp_path)
    rows = list(map(json.loads, RunLayout(tmp_path, "s").phases.open()))
    assert [row["environment"] for row in rows if row["event"] == "resumed"] == [{"python": "3.12"}]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))


def test_shards_that_were_renamed_need_a_name(tmp_path: Path) -> None:
    searched(tmp_path, "one", made(1), Shard(1, 1))
    with pytest.raises(InputError, match=r"does not end in '\.1-of-1': name the run to make by --run"):
        merged(tmp_path, into=tmp_path)
    (found,) = merged(tmp_path, into=tmp_path, name="whole")
    assert (found.run, found.searches) == ("whole", 1)
