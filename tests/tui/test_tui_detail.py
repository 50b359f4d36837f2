"""What the panes say: a node, a moment, an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    RolledOut,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.runs.overrides import Overrides, digest
from store.selection import upper_confidence
from tests.tui.made_searches import custom, mcts
from tui.replay.detail import describe_node
from tui.replay.event_text import describe
from tui.replay.player import Player
from tui.replay.reasons.explain import explain
from tui.replay.reasons.selection import compared
from tui.replay.timeline import Pace, Timeline

if TYPE_CHECKING:
    from tui.styled import Line

ROLLOUT = (
    Selected(0),
    Expanded(0, (Step("first\n", (1, 2), -1.5), Step("second\n")), (2, 1), Cost(policy=9)),
    Valued((1, 2), (0.5, 0.25)),
    RolledOut(1, (Step("further"), Step("on")), (0.75, 0.625), 0.75, 0.625, 1),
    BackedUp((0,), (1,), (0.625,)),
)


def at(position: int, *events: Event, **fields: object) -> Player:
    player = Player(custom(1, *events, **fields))
    player.jump(position)
    return player


def text(lines: list[Line]) -> str:
    return "\n".join("".join(span[0] for span in line) for line in lines)


def test_terms_of_the_upper_confidence() -> None:
    player = at(5, *ROLLOUT)
    visited, unvisited = compared(player, 0)
    assert visited.total == upper_confidence(0.625, 1, 1, 0.4, 0.8)
    assert visited.extra == pytest.approx(0.0)  # ln 1 = 0
    assert unvisited.extra == pytest.approx(0.8)
    assert unvisited.total == pytest.approx(1.05)
    assert compared(player, 1) == []


def test_no_term_before_the_parent_has_a_visit_or_without_settings() -> None:
    assert [row.total for row in compared(at(4, *ROLLOUT), 0)] == [None, pytest.approx(1.05)]
    assert [row.extra for row in compared(at(5, *ROLLOUT, settings={}), 0)] == [None, None]


PARALLEL = (
    Expanded(0, (Step("a"), Step("b"), Step("c")), (1, 1, 1)),
    Valued((1, 2, 3), (0.5, 0.75, 1.0)),
    BackedUp((0,), (2,), (0.5,)),
    Selected(1, running=(2, 2), exhausted=(3,)),
)


def test_at_a_selection_the_terms_are_those_that_it_compared() -> None:
    """Two rounds run from b: it has N 2, the root 2 + 2. c was passed over."""
    player = at(4, *PARALLEL)
    a, b, c = compared(player, 0)
    assert a.visits == 0
    assert a.total == pytest.approx(1.3)
    assert (b.visits, b.total) == (2, upper_confidence(0.75, 2, 4, 0.4, 0.8))
    assert (c.value, c.visits, c.total) == (1.0, 0, None)
    shown = text(explain(player, None, 80))
    for part in (
        "#0 → #1  of 3 children",
        "0.500 + 0.800*= 1.300  N 0",
        f"ahead of #2 by {1.3 - (b.total or 0):.3f}",
        "V 1.000 N 0  ✕ closed: nothing new below",
        "N counts the visits of 2 running rounds",
    ):
        assert part in shown


def test_apart_from_selections_running_rounds_do_not_count() -> None:
    settings = {"exploration": 0.4, "unvisited_bonus": 0.8, "parallel_rounds": 2}
    shown = text(describe_node(at(3, *PARALLEL, settings=settings), 1, {}))
    assert "without the visits of running rounds" in shown
    assert [row.visits for row in compared(at(3, *PARALLEL, settings=settings), 0)] == [0, 0, 0]


def test_a_selection_by_widening_tells_where_it_stops() -> None:
    """The root has 2 visits and 1 pending: two children are allowed, it has one; c is full."""
    settings = {"exploration": 0.4, "unvisited_bonus": 0.8, "widening": 1.0}
    events = (
        Expanded(0, (Step("a"),), (1,)),
        BackedUp((1, 0), (1, 2), (0.5, 0.5)),
        Selected(0),
        Selected(1, running=(0,)),
    )
    shown = text(explain(at(3, *events, settings=settings), None, 80))
    assert "ends at #0: 1 of 2 allowed children, gets a further one" in shown
    shown = text(explain(at(4, *events, settings=settings), None, 80))
    assert "children, of those allowed: #0 2/2, #1 0/1" in shown
    assert "further" not in shown


def test_a_node_in_full() -> None:
    shown = text(describe_node(at(5, *ROLLOUT), 1, {"rest-mcts": (None, 0.875, None)}))
    for part in (
        "node 1",
        "0.625",
        "score before 0.500",
        "N        1",
        "samples 2",
        "first",
        "rest-mcts  0.875",
    ):
        assert part in shown
    assert "log-prob -1.50  -0.75 a token" in shown
    assert "further" not in shown


def test_a_rollout_tells_its_steps_and_what_became_of_v() -> None:
    shown = text(explain(at(4, *ROLLOUT, settings={"alpha": 0.5}), None, 80))
    for part in ("v_max 0.750  V 0.500 → 0.625", "with α = 0.5", "further", "step 2", "0.625"):
        assert part in shown
    assert "further" not in text(explain(at(5, *ROLLOUT), None, 80))


def test_the_root_shows_the_problem_and_the_settings() -> None:
    shown = text(describe_node(at(0, *ROLLOUT), 0, {}))
    for part in ("What is 1 plus 41?", "oracle answer", "42", "exploration: 0.4"):
        assert part in shown


def test_the_whole_partial_solution() -> None:
    record = mcts(1)
    player = Player(record)
    player.jump(player.length)
    deepest = max(player.tree.nodes, key=lambda node: node.depth)
    shown = text(describe_node(player, deepest.id, {}, whole=True))
    assert all(step.text.strip() in shown for step in player.tree.steps(deepest.id))


def test_advice_and_verdict() -> None:
    player = at(
        4,
        Expanded(0, (Step("a"), Step("b")), (1, 1)),
        Critiqued(1, False, advice="check the \x1b[2Jsign"),
        Critiqued(2, True, "41"),
        Verified((2,), (False,)),
    )
    assert "check the ␛[2Jsign" in text(describe_node(player, 1, {}))
    assert "finished, wrong" in text(describe_node(player, 2, {}))


def test_wide_roots_show_the_children_around_the_chosen_one() -> None:
    steps = tuple(Step(f"s{number}") for number in range(1000))
    shown = text(describe_node(at(1, Expanded(0, steps, (1,) * 1000)), 900, {}))
    assert "of 1,000 children" in shown
    assert "▸ #900" in shown
    assert "… 987 more children" in shown


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Selected(0), "selected the root"),
        (Critiqued(1, True, "7"), "judged node 1: finished, answer 7"),
        (Critiqued(1, True), "judged node 1: finished, no answer"),
        (Critiqued(1, False, advice="x"), "judged node 1: not finished and gave advice"),
        (Expanded(1, (), ()), "expanded node 1: nothing new, from 0 samples"),
        (Valued((1, 2), (0.5, 1.0)), "scored 1: 0.500, 2: 1.000"),
        (BackedUp((1, 0), (2, 3), (0.5, 0.25)), "backed up 1: V 0.500 N 2, 0: V 0.250 N 3"),
        (Verified((1, 2), (True, False)), "compared with the oracle 1 ✓, 2 ✗"),
        (
            RolledOut(1, (Step("a"),), (0.5,), 0.5, 0.25, 1),
            "rolled out 1 step from node 1, best 0.500: V 0.250, N 1",
        ),
        (Stopped("budget"), "ended without an answer: the token budget"),
        (
            Stopped("failed", None, None, "engine\x1b gone"),
            "ended without an answer: an engine refused (engine␛ gone)",
        ),
        (Stopped("gate", 2, "7"), "ended with 7 from node 2: a node reached the stop threshold"),
        (None, "nothing has happened yet"),
    ],
)
def test_events_in_words(event: Event | None, words: str) -> None:
    assert describe(event, range(0)) == words


def test_joined_nodes_in_words() -> None:
    expanded = Expanded(2, (Step("a"), Step("b")), (2, 1))
    assert describe(expanded, range(4, 6)) == "expanded node 2: nodes 4 to 5 joined, from 3 samples"
    extended = Extended(0, (Step("a"), Step("b")))
    assert describe(extended, range(4, 5)) == "a sampled trace below the root: 2 steps, node 4 new"


def test_a_moment() -> None:
    shown = text(Timeline(at(2, *ROLLOUT), Pace(True, 8.0)).lines(80))
    assert "event 2 of 5  round 1 of 1  playing 8/s" in shown
    assert "expanded the root: nodes 1 to 2 joined, from 3 samples [9 policy]" in shown
    assert "tokens 9 of 4,000" in shown
    assert "answer so far none (best-value)" in shown


def test_a_tree_that_no_search_made_is_described_all_the_same() -> None:
    """Visits below zero, and a setting beyond all measure, as a file from elsewhere may have them."""
    events = (*ROLLOUT[:3], BackedUp((0, 1, 2), (-3, -2, 5), (0.5, 0.5, 0.5)), Selected(1))
    for settings in ({"exploration": 0.4, "unvisited_bonus": 0.8, "widening": 1e308}, {"widening": -1.0}):
        player = at(5, *events, settings=settings)
        for node in range(3):
            assert "-2" in text(describe_node(player, node, {})) or node == 0
        assert "selected node 1" in text(explain(player, None, 80))


def test_an_overridden_verdict_comes_with_its_reason() -> None:
    events = (Expanded(0, (Step("the answer is 5"),), (1,)), Critiqued(1, True, "5"), Verified((1,), (True,)))
    record = custom(1, *events)
    question = record.header.question
    changed = Overrides().adding(
        record.header.problem, digest(question), "5", True, "the oracle\x1b[31m is wrong"
    )
    player = Player(record, changed.on(record.header.problem, question))
    player.jump(2)
    assert "override" not in text(describe_node(player, 1, {})), "nothing is verified yet"
    player.jump(3)
    shown = text(describe_node(player, 1, {}))
    assert "finished, correct" in shown
    assert "override the oracle" in shown and "\x1b" not in shown
    assert "override" not in text(describe_node(player, 0, {}))


def test_solved_examples_stand_before_the_problem() -> None:
    settings = {"examples": [["What is \x1b[31m1+1?", "It is 2."], ["And 2+2?", "4"]]}
    shown = text(describe_node(at(3, *ROLLOUT, settings=settings), 0, {}))
    assert shown.index("solved example 1") < shown.index("It is 2.") < shown.index("And 2+2?")
    assert shown.index("And 2+2?") < shown.index("\nproblem\n")
    assert "\x1b" not in shown
    assert "examples:" not in shown
    assert "solved example" not in text(describe_node(at(3, *ROLLOUT, settings={}), 0, {}))
    assert "solved example" not in text(describe_node(at(3, *ROLLOUT, settings={"examples": 3}), 0, {}))
