"""The headless replay: any way of moving gives the fold of the events before the position."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from store.errors import StoreError
from store.events import Event, Expanded, SearchRecord, Selected, Step, Valued
from store.tree import Tree, fold
from tests.store.strategies import searches
from tests.tui.made_searches import custom, mcts, votes
from tui.replay.player import Change, Player
from tui.replay.survey import KEYFRAME

MOVES = st.lists(
    st.one_of(
        st.sampled_from(["forward", "back", "next_round", "previous_round"]),
        st.integers(-5, 200),
    ),
    max_size=30,
)


def move(player: Player, step: str | int) -> Change:
    return player.jump(step) if isinstance(step, int) else getattr(player, step)()


@given(seed=st.integers(0, 50), sampled=st.booleans(), moves=MOVES)
def test_every_way_of_moving_gives_the_fold_of_the_prefix(
    seed: int, sampled: bool, moves: list[str | int]
) -> None:
    record = votes(seed) if sampled else mcts(seed)
    player = Player(record)
    for step in moves:
        move(player, step)
        assert player.tree == fold(record.events[: player.position])


@given(record=searches(most=12), moves=MOVES)
def test_any_events_that_fit_a_tree_can_be_undone(record: SearchRecord, moves: list[str | int]) -> None:
    player = Player(record)
    for step in moves:
        before = fold(record.events[: player.position]).nodes
        change = move(player, step)
        assert player.tree == fold(record.events[: player.position])
        different = {node.id for node in player.tree.nodes if node not in before}
        assert change.everything or different <= change.nodes


@given(seed=st.integers(0, 50), moves=MOVES)
def test_a_change_names_every_node_that_looks_different(seed: int, moves: list[str | int]) -> None:
    record = mcts(seed)
    player = Player(record)
    for step in moves:
        before = fold(record.events[: player.position]).nodes
        change = move(player, step)
        after = player.tree.nodes
        different = {node.id for node in after if node.id >= len(before) or node != before[node.id]}
        assert change.everything or different <= change.nodes
        assert change.structure >= (change.everything or len(before) != len(after))
        assert all(node < len(after) for node in change.nodes)


def test_the_ends_hold() -> None:
    player = Player(mcts(1))
    assert player.back() == Change()
    player.jump(10_000)
    assert player.position == player.length
    assert player.forward() == Change()
    player.jump(-3)
    assert player.position == 0
    assert player.event is None
    assert len(player.tree.nodes) == 1


def test_rounds_begin_where_a_node_is_selected() -> None:
    player = Player(mcts(3, rounds=4))
    visited = []
    while player.position < player.length:
        player.next_round()
        visited.append((player.position, player.round))
    assert [number for _, number in visited[:4]] == [1, 2, 3, 4]
    assert all(isinstance(player.events[place - 1], Selected) for place, _ in visited[:4])
    player.previous_round()
    assert player.position == visited[3][0]
    player.previous_round()
    assert player.position == visited[2][0]


def test_a_method_that_selects_nothing_has_a_round_for_each_trace() -> None:
    assert len(Player(votes(1, traces=6)).rounds) == 6


def test_the_answer_so_far_is_that_of_the_rule() -> None:
    record = votes(2)
    player = Player(record)
    for _ in record.events:
        player.forward()
        assert player.answer == RULES["majority"].run(fold(record.events[: player.position]), DEFAULTS)
    assert player.answer is not None


def test_an_unknown_rule_has_no_answer() -> None:
    record = votes(2)
    player = Player(replace(record, header=replace(record.header, answer_by="unheard-of")))
    player.jump(player.length)
    assert player.answer is None


def test_selected_and_focus_follow_the_events() -> None:
    record = custom(
        1,
        Selected(0),
        Expanded(0, (Step("a"), Step("b")), (1, 1)),
        Valued((1, 2), (0.5, 0.25)),
        Selected(2),
    )
    player = Player(record)
    assert (player.selected, player.focus) == (None, 0)
    seen = []
    for _ in record.events:
        player.forward()
        seen.append((player.selected, player.focus, list(player.joined)))
    assert player.jump(2).nodes >= {1, 2}
    assert player.touched == {1, 2}  # their parent changes, but is not what the event is about
    assert seen == [(0, 0, []), (0, 1, [1, 2]), (0, 1, []), (2, 2, [])]


def test_an_event_that_does_not_fit_is_refused() -> None:
    record = mcts(1)
    with pytest.raises(StoreError, match=r"tree 1\.search/1: event 1 does not fit: .*node 9"):
        Player(replace(record, events=(Selected(9),)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), moves=st.lists(st.integers(0, 1700), max_size=6))
def test_a_jump_folds_no_more_events_than_lie_between_keyframes(seed: int, moves: list[int]) -> None:
    record = mcts(seed, rounds=400)
    player = Player(record)
    assert player.length > 2 * KEYFRAME + 3
    applied = 0
    apply = Tree.apply

    def counted(tree: Tree, event: Event) -> list[int]:
        nonlocal applied
        applied += 1
        return apply(tree, event)

    for position in moves:
        applied = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Tree, "apply", counted)
            player.jump(position)
        assert applied <= KEYFRAME
        assert player.tree == fold(record.events[: player.position])
        player.back()
        assert player.tree == fold(record.events[: player.position])


def test_going_back_beyond_what_is_kept_starts_from_a_keyframe() -> None:
    record = mcts(1, rounds=400)
    player = Player(record)
    player.jump(2 * KEYFRAME + 3)
    for _ in range(KEYFRAME + 10):
        position = player.position
        player.back()
        assert player.position == position - 1
        assert player.event is not None
        before = fold(record.events[: player.position - 1])
        assert player.touched == frozenset(before.apply(player.event))
    assert player.tree == fold(record.events[: player.position])
