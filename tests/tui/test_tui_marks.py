"""Moments to go to: by number, round, tokens, node; solutions, mistakes, changes of the answer."""

from __future__ import annotations

from bisect import bisect_left
from shutil import copytree
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from store.events import SearchRecord
from store.index.reader import StoreReader
from store.tree import fold
from tests.tui.made_searches import mcts, votes
from tui.replay.bookmarks import Bookmark, add_bookmark, read_bookmarks
from tui.replay.marks import Target, answer_changes, mistakes, next_of, spending_rounds, target_of
from tui.replay.player import Player
from tui.replay.timeline import Timeline
from tui.replay.truth import truth_of

if TYPE_CHECKING:
    from pathlib import Path


def test_places_by_number_round_tokens_and_node() -> None:
    player = Player(mcts(1))
    spent = [fold(player.events[:position]).cost.generated for position in range(player.length + 1)]
    assert target_of(player, "12") == Target(12)
    assert target_of(player, "99999") == Target(player.length)
    assert target_of(player, "r2") == Target(player.rounds[1])
    assert target_of(player, "t60") == Target(next(at for at, tokens in enumerate(spent) if tokens >= 60))
    target = target_of(player, "#5")
    assert target is not None and target.node == 5
    assert len(fold(player.events[: target.position]).nodes) > 5
    assert len(fold(player.events[: target.position - 1]).nodes) <= 5
    player.jump(player.length)
    assert target_of(player, "#5") == Target(player.length, 5), "the node is there already"


@pytest.mark.parametrize("text", ["", "r0", "r999", "#99999", "x3", "-1", "1.5", "٣", "9" * 40, "r", "#"])
def test_no_such_place(text: str) -> None:
    assert target_of(Player(mcts(1)), text) is None


@given(positions=st.lists(st.integers(0, 50), unique=True).map(sorted), position=st.integers(0, 50))
def test_the_next_one(positions: list[int], position: int) -> None:
    after = [one for one in positions if one > position]
    before = [one for one in positions if one < position]
    assert next_of(positions, position, 1) == (after[0] if after else None)
    assert next_of(positions, position, -1) == (before[-1] if before else None)


@given(seed=st.integers(0, 60), rounds=st.integers(1, 25))
def test_rounds_that_took_tokens(seed: int, rounds: int) -> None:
    player = Player(mcts(seed, rounds=rounds))
    spent = [fold(player.events[:position]).cost.generated for position in range(player.length + 1)]
    ends = [*player.rounds[1:], player.length + 1]
    wanted = [
        start for start, end in zip(player.rounds, ends, strict=True) if spent[end - 1] > spent[start - 1]
    ]
    assert spending_rounds(player.survey) == wanted


def _answers(record: SearchRecord) -> list[str | None]:
    rule = RULES[record.header.answer_by]
    found = (rule.run(fold(record.events[:end]), DEFAULTS) for end in range(len(record.events) + 1))
    return [None if answer is None else answer.text for answer in found]


@given(seed=st.integers(0, 60), rule=st.sampled_from(sorted(RULES)), sampled=st.booleans())
def test_changes_of_the_answer_are_those_of_a_fold_after_every_event(
    seed: int, rule: str, sampled: bool
) -> None:
    record = votes(seed, answer_by=rule) if sampled else mcts(seed, answer_by=rule)
    answers = _answers(record)
    wanted = tuple(at for at in range(1, len(answers)) if answers[at] != answers[at - 1])
    assert answer_changes(record, DEFAULTS) == wanted


def test_an_unknown_rule_has_no_changes() -> None:
    assert answer_changes(mcts(1, answer_by="unheard-of"), DEFAULTS) == ()


def test_first_mistakes_are_where_their_nodes_join() -> None:
    player = Player(mcts(7, rounds=40))
    truth = truth_of(player.survey.final)
    assert truth.mistakes
    found = mistakes(player.survey, truth)
    assert found == sorted({bisect_left(player.survey.sizes, node + 1) for node in truth.mistakes})


def test_the_timeline_marks_solutions_changes_and_bookmarks() -> None:
    player = Player(mcts(7, rounds=20))
    truth = truth_of(player.survey.final)
    solutions = player.survey.solutions
    position, node = next(one for one in solutions if one[1] in truth.verdicts)
    timeline = Timeline(player, truth=truth, changes=(position,), bookmarks={3: "look\x1b here"})
    cells, marks, *_ = ["".join(span[0] for span in row) for row in timeline.lines(200)]
    assert marks[position] == ("✓" if truth.verdicts[node] else "✗")
    assert cells[position] == "△"
    assert marks[3] == "'"
    player.jump(3)
    rows = ["".join(span[0] for span in row) for row in timeline.lines(200)]
    assert rows[0][3] == "┃"
    assert rows[4].startswith("' look␛ here")


@given(width=st.integers(1, 200), rounds=st.integers(1, 60), part=st.floats(0, 1))
def test_a_click_on_a_cell_leads_to_that_cell(width: int, rounds: int, part: float) -> None:
    player = Player(mcts(1, rounds=rounds))
    timeline = Timeline(player)
    row = "".join(span[0] for span in timeline.lines(width)[0])
    assert len(row) <= width
    position = timeline.position_at(int(part * (len(row) - 1)), width)
    assert position is not None
    player.jump(position)
    assert "".join(span[0] for span in timeline.lines(width)[0])[int(part * (len(row) - 1))] == "┃"
    assert timeline.position_at(width + 5, width) is None


def test_bookmarks_are_notes_of_the_run(demo: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    copytree(demo, root)
    with StoreReader(root) as reader:
        add_bookmark(reader, "demo", "1.search/1", Bookmark(9, "later"))
        add_bookmark(reader, "demo", "1.search/1", Bookmark(2, "sooner"))
        found = read_bookmarks(reader, "demo", "1.search/1")
        assert [(one.position, one.note) for one in found] == [(2, "sooner"), (9, "later")]
        assert read_bookmarks(reader, "demo", "1.search/2") == ()
        assert len(reader.notes("demo")) == 2
