"""Why each event came: what the pane of reasons says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from store.events import (
    BackedUp,
    Critiqued,
    Event,
    Expanded,
    Extended,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.selection import candidates
from store.tree import fold
from tests.store.strategies import searches
from tests.tui.made_searches import custom, mcts, votes
from tui.replay.detail import describe_node
from tui.replay.player import Player
from tui.replay.reasons.explain import explain
from tui.replay.reasons.selection import walk_levels
from tui.replay.reasons.vote import explain_votes
from tui.replay.truth import truth_of

if TYPE_CHECKING:
    from tui.styled import Line


def at(position: int, *events: Event, **fields: object) -> Player:
    player = Player(custom(1, *events, **fields))
    player.jump(position)
    return player


def text(lines: list[Line]) -> str:
    return "\n".join("".join(span[0] for span in line) for line in lines)


def why(player: Player, width: int = 100) -> str:
    return text(explain(player, truth_of(player.survey.final), width))


@given(seed=st.integers(0, 40))
def test_every_level_of_a_selection_has_the_sums_that_chose(seed: int) -> None:
    player = Player(mcts(seed, rounds=8))
    for place in player.rounds:
        player.jump(place)
        event = player.event
        assert isinstance(event, Selected)
        shown = why(player)
        for node in player.tree.path(event.node):
            assert node.parent is not None
            parent = player.tree.nodes[node.parent]
            rows = candidates(player.tree, parent, 0.4, 0.8, event)
            assert f"#{parent.id} → #{node.id}  of {len(rows)} children" in shown
            totals = {row.node: row.total or 0.0 for row in rows}
            others = [total for number, total in totals.items() if number != node.id]
            margin = totals[node.id] - max(others)
            assert f"by {margin:.3f}" in shown or margin == 0.0
            assert all(f"= {total:.3f}" in shown for total in totals.values())


def test_a_long_chain_is_one_level() -> None:
    events = [Expanded(place, (Step(f"s{place}"),), (1,)) for place in range(2000)]
    player = at(2001, *events, Selected(2000))
    assert walk_levels(player, 2000) == [(0, 2000, 2000)]
    assert "#0 → #2000  2,000 steps down, each the only child" in why(player)
    assert len(explain(player, None, 80)) < 10


def test_a_closed_child_tells_why_it_was_passed_over() -> None:
    events = (
        Expanded(0, (Step("a"), Step("b"), Step("c")), (1, 1, 1)),
        Critiqued(1, True, "7"),
        Selected(2, running=(3,), exhausted=(1, 3)),
    )
    shown = why(at(3, *events))
    assert "✕ closed: finished" in shown
    assert "✕ closed: a round runs there" in shown
    assert "no other one was open" in shown


def test_a_round_on_a_finished_node_costs_nothing() -> None:
    events = (Expanded(0, (Step("a"),), (1,)), Critiqued(1, True, "7"), Selected(1))
    assert "ends at #1: finished, the round costs no token" in why(at(3, *events))


def test_a_backup_has_each_node_before_and_after() -> None:
    events = (
        Expanded(0, (Step("a"),), (1,)),
        Valued((1,), (0.25,)),
        BackedUp((1, 0), (1, 1), (0.25, 0.25)),
        BackedUp((1, 0), (2, 2), (0.75, 0.5)),
    )
    shown = why(at(4, *events))
    assert "#1    N 1→2  V 0.250 → 0.750  +0.500" in shown
    assert "#0    N 1→2  V 0.250 → 0.500  +0.250" in shown


@given(seed=st.integers(0, 40), rounds=st.integers(1, 30))
def test_what_was_before_an_event_is_the_fold_without_it(seed: int, rounds: int) -> None:
    player = Player(mcts(seed, rounds=rounds))
    player.jump(player.length)
    for position in range(player.length, max(player.length - 20, 0), -1):
        player.jump(position)
        earlier = fold(player.events[: position - 1]).nodes
        for node in player.tree.nodes:
            before = player.before(node.id)
            if node.id >= len(earlier):
                assert before is None
            else:
                known = earlier[node.id]
                assert before is not None
                assert (before.value, before.visits, before.score) == (known.value, known.visits, known.score)


def test_an_expansion_tells_samples_merged_ones_and_log_probabilities() -> None:
    first, second = Step("first\n", (1, 2), -1.5), Step("second\n", (3,))
    events = (Expanded(0, (first,), (1,)), Expanded(0, (first, second), (3, 1)))
    shown = why(at(2, *events))
    assert "#1    was there, 3 samples are one, 2 tokens, log-prob -1.50" in shown
    assert "#2    new, 1 tokens" in shown
    assert "the policy had nothing to add" in why(at(1, Expanded(0, (), ())))


def test_a_trace_tells_which_steps_were_there() -> None:
    a, b, c = Step("a", (1,)), Step("b", (2,)), Step("c", (3,), ended=True)
    shown = why(at(2, Extended(0, (a, b)), Extended(0, (a, c))))
    assert "#1    was there" in shown and "#3    new" in shown
    assert "the end of the text" in shown


def test_nodes_that_are_kept_at_a_depth_are_shown_with_those_that_are_not() -> None:
    events = (
        Selected(0),
        Expanded(0, (Step("a"), Step("b"), Step("c")), (1, 2, 1)),
        Valued((1, 2, 3), (0.2, 0.9, 0.5)),
        Selected(2),
        Selected(3),
    )
    shown = why(at(4, *events, method="beam", settings={"width": 4}))
    assert "depth 1: 2 of 3 nodes go on" in shown
    assert shown.index("▸ #2") < shown.index("▸ #3") < shown.index("  #1")
    shown = why(at(4, *events, method="rebase", settings={"balance": 0.2}))
    assert "of the samples" in shown and "exp(V / balance)" in shown


def test_the_answers_by_the_rule_of_the_search() -> None:
    record = votes(2, traces=5)
    player = Player(record)
    player.jump(player.length)
    shown = text(explain_votes(player, truth_of(player.survey.final), 80))
    assert player.answer is not None
    assert "answers by majority: weights add up" in shown
    assert shown.index(player.answer.text) == min(shown.index(answer) for answer in ("42", "17"))
    assert "✓ 42" in shown and "✗ 17" in shown
    assert "60.0%" in shown and "40.0%" in shown
    player.jump(0)
    assert "none yet" in text(explain_votes(player, None, 80))


def test_the_last_event_tells_how_the_answers_stood() -> None:
    events = (
        Expanded(0, (Step("a"), Step("b")), (1, 1)),
        Critiqued(1, True, "7"),
        Critiqued(2, True, "8"),
        Verified((1, 2), (False, True)),
        Stopped("budget", 1, "7"),
    )
    shown = why(at(5, *events))
    assert "the token budget" in shown and "✓ 8" in shown and "✗ 7" in shown
    assert "oracle  42" in why(at(4, *events))


@given(record=searches(most=14), width=st.integers(1, 120))
def test_any_event_of_any_search_has_lines(record: SearchRecord, width: int) -> None:
    player = Player(record)
    truth = truth_of(player.survey.final)
    for _ in record.events:
        player.forward()
        assert explain(player, truth, width)
        assert explain_votes(player, truth, width)
        for node in player.tree.nodes:
            assert describe_node(player, node.id, {}, truth=truth, width=width)


def test_missing_values_are_not_coloured_as_zeros() -> None:
    player = at(1, Expanded(0, (Step("a"), Step("b")), (1, 1)), method="best-of-n", settings={})
    lines = describe_node(player, 1, {"first-error": (None, None, None)})
    dashes = [span for row in lines for span in row if span[0] == "-"]
    assert dashes and all(style != "value" for _, style, _ in dashes)
    assert "0.000" not in text(lines)
