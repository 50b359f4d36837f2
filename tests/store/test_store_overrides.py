"""Verdicts of a person: laid over trees when they are read, followed by the index, taken back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.check import check, rebuild
from store.encoding.searches import encode_search
from store.errors import StoreError
from store.events import Critiqued, SearchRecord, Verified
from store.files.layout import RunLayout
from store.index.reader import StoreReader
from store.queries import TreeFilter
from store.runs.overrides import Overrides, digest, overlay
from store.runs.reading import read_overrides, read_trees
from store.tree import fold
from tests.store.build import PHASE, fill, open_run, record, tables
from tests.store.strategies import searches

VERDICTS = st.lists(st.tuples(st.integers(0, 5), st.none() | st.booleans()), max_size=6)


def decided(search: SearchRecord, choices: list[tuple[int, bool | None]]) -> Overrides:
    """Overrides on some of the answers of a search, one after the other."""
    nodes = fold(search.events).finished()
    answers = sorted({node.answer for node in nodes if node.answer is not None}) or ["none"]
    found = Overrides()
    for place, verdict in choices:
        answer = answers[place % len(answers)]
        found = found.adding(
            search.header.problem, digest(search.header.question), answer, verdict, "because"
        )
    return found


@given(searches(), VERDICTS)
def test_an_overlay_changes_the_verdicts_on_these_answers_and_nothing_else(
    search: SearchRecord, choices: list[tuple[int, bool | None]]
) -> None:
    changed = decided(search, choices)
    found = overlay(search, changed)
    before, after = fold(search.events), fold(found.events)
    wanted = changed.on(search.header.problem, search.header.question)
    graded = any(isinstance(event, Verified) for event in search.events)
    for old, new in zip(before.nodes, after.nodes, strict=True):
        override = wanted.get(old.answer or "") if old.finished and old.answer is not None else None
        named = any(
            old.id in (*event.nodes, *event.unverified)
            for event in search.events
            if isinstance(event, Verified)
        )
        expected = override.correct if override and (named or not graded) else old.correct
        assert new == replace(old, correct=expected)
    assert found.header == search.header
    assert after.cost == before.cost and after.stopped == before.stopped
    override = wanted.get(search.result.answer or "")
    assert found.result == (replace(search.result, correct=override.correct) if override else search.result)


@given(searches(), VERDICTS)
def test_an_overlay_is_idempotent_and_undone_by_taking_all_back(
    search: SearchRecord, choices: list[tuple[int, bool | None]]
) -> None:
    changed = decided(search, choices)
    once = overlay(search, changed)
    assert overlay(once, changed) == once
    for override in list(changed.in_force()):
        changed = changed.adding(
            search.header.problem, digest(search.header.question), override.answer, None, "a mistake"
        )
    assert overlay(search, changed) is search
    assert list(changed.in_force()) == []


def test_another_problem_of_the_same_name_is_left_alone() -> None:
    search = record(0, correct=False)
    changed = Overrides().adding("problem-0", digest("another question"), "5", True, "because")
    assert overlay(search, changed) is search


def test_an_answer_without_a_verdict_and_a_search_without_an_oracle_get_one() -> None:
    plain = record(0)
    *before, _, stopped = plain.events
    changed = Overrides().adding("problem-0", digest(plain.header.question), "5", True, "because")
    unverified = replace(plain, events=(*before, Verified((), (), (3,)), stopped))
    assert Verified((3,), (True,)) in overlay(unverified, changed).events
    ungraded = replace(plain, events=(*before, stopped), result=replace(plain.result, correct=None))
    found = overlay(ungraded, changed)
    assert (fold(found.events).nodes[3].correct, found.result.correct) == (True, True)
    unfinished = replace(plain, events=(*(e for e in before if not isinstance(e, Critiqued)), stopped))
    assert overlay(unfinished, changed).events == unfinished.events


def test_trees_are_read_with_the_verdicts_and_stay_as_they_are(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
        path = writer.layout.trees(PHASE)
        stored = path.read_bytes()
        question = digest(record(1).header.question)
        writer.override("problem-1", question, "5", True, "the grader was wrong")
        assert [search.result.correct for search in writer.read_trees(PHASE)] == [True, True, True]
    layout = RunLayout(tmp_path, "first")
    assert [search.result.correct for search in read_trees(layout, PHASE)] == [True, True, True]
    assert [search.result.correct for search in read_trees(layout, PHASE, Overrides())] == [True, False, True]
    with StoreReader(tmp_path) as reader:
        assert reader.count_trees(TreeFilter("first", solved=True)) == 3
        assert reader.phases("first")[0].correct == 3
        assert reader.record("first", f"{PHASE}/1").result.correct is True
        (override,) = reader.overrides("first").in_force()
        assert (override.answer, override.reason) == ("5", "the grader was wrong")
    assert path.read_bytes() == stored
    assert check(tmp_path) == []
    with open_run(tmp_path) as writer:
        writer.override("problem-1", question, "5", None, "it was right after all")
    with StoreReader(tmp_path) as reader:
        assert reader.count_trees(TreeFilter("first", solved=True)) == 2
        assert encode_search(reader.record("first", f"{PHASE}/1")) == encode_search(record(1, correct=False))
    assert check(tmp_path) == []


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["add", "override", "sync", "seal", "reopen"]),
        st.integers(0, 3),
        st.none() | st.booleans(),
    ),
    max_size=10,
)


@settings(max_examples=25)
@given(MOVES)
def test_a_live_index_with_overrides_is_equal_to_a_rebuilt_one(
    moves: list[tuple[str, int, bool | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        writer = open_run(root)
        writer.start_phase(PHASE, "search", 1)
        for move, number, verdict in moves:
            if move == "add" and f"{PHASE}/{number}" not in writer.finished_trees(PHASE):
                writer.add_tree(record(number, correct=number != 1))
            elif move == "override":
                question = digest(record(number).header.question)
                writer.override(f"problem-{number}", question, "5", verdict, "because")
            elif move == "sync":
                writer.sync_index()
            elif move == "seal":
                writer.seal_trees(PHASE)
            elif move == "reopen":
                writer.close()
                writer = open_run(root)
                writer.start_phase(PHASE, "search", 1)
        writer.close()
        live = tables(root)
        assert check(root) == []
        rebuild(root)
        assert tables(root) == live


def overridden(root: Path) -> Path:
    with open_run(root) as writer:
        fill(writer)
        for number in (0, 1, 2):
            writer.override(
                f"problem-{number}", digest(record(number).header.question), "5", False, "because"
            )
    return RunLayout(root, "first").overrides


def test_a_torn_last_line_is_as_good_as_not_written(tmp_path: Path) -> None:
    path = overridden(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    layout = RunLayout(tmp_path, "first")
    assert len(read_overrides(layout).log) == 2
    assert [search.result.correct for search in read_trees(layout, PHASE)] == [False, False, True]
    assert any("the last line is not whole" in finding for finding in check(tmp_path))
    with open_run(tmp_path) as writer:
        writer.override("problem-2", digest(record(2).header.question), "5", False, "again")
    assert len(read_overrides(layout).log) == 3
    assert check(tmp_path) == []


def test_a_line_that_is_gone_or_changed_is_missed(tmp_path: Path) -> None:
    path = overridden(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    layout = RunLayout(tmp_path, "first")
    for damaged in (lines[:1] + lines[2:], [lines[0].replace(b"because", b"Because"), *lines[1:]]):
        path.write_bytes(b"".join(damaged))
        with pytest.raises(StoreError, match=r"overrides\.jsonl:[12]"):
            read_overrides(layout)
        with pytest.raises(StoreError, match=r"overrides\.jsonl"):
            open_run(tmp_path)
        assert any("overrides.jsonl" in finding for finding in check(tmp_path))


def test_the_index_follows_a_file_that_was_replaced_or_removed(tmp_path: Path) -> None:
    path = overridden(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    with StoreReader(tmp_path) as reader:
        assert reader.count_trees(TreeFilter("first", solved=True)) == 0
        path.write_bytes(lines[0])
        open_run(tmp_path).close()
        assert reader.count_trees(TreeFilter("first", solved=True)) == 1
        path.unlink()
        open_run(tmp_path).close()
        assert reader.count_trees(TreeFilter("first", solved=True)) == 2
    assert check(tmp_path) == []
