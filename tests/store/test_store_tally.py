"""How answers stand, and what one more step is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.answering.constants import DEFAULTS
from store.answering.gains import FIRST_HIT, empty_draws, gains
from store.answering.rules import RULES, SURE, WEIGHTS
from store.answering.tally import tally
from store.events import Critiqued, Event, Expanded, SearchRecord, Selected, Step, Valued
from store.tree import fold
from tests.store.strategies import searches


@given(record=searches(most=14), rule=st.sampled_from(sorted(WEIGHTS)))
def test_the_first_answer_is_that_of_the_rule(record: SearchRecord, rule: str) -> None:
    tree = fold(record.events)
    standings, answer = tally(tree, rule, DEFAULTS), RULES[rule].run(tree, DEFAULTS)
    assert (answer is None) == (not standings)
    if answer is not None:
        best = [one for one in standings if one.weight == standings[0].weight]
        assert answer.text in [one.answer for one in best]
        assert answer.node in next(one for one in standings if one.answer == answer.text).nodes


@given(record=searches(most=14), rule=st.sampled_from(SURE))
def test_shares_add_up(record: SearchRecord, rule: str) -> None:
    tree = fold(record.events)
    shares = [one.share for one in tally(tree, rule, DEFAULTS) if one.share is not None]
    assert not shares or sum(shares) == pytest.approx(1)
    nodes = [node for one in tally(tree, rule, DEFAULTS) for node in one.nodes]
    assert sorted(nodes) == [node.id for node in tree.nodes if node.finished and node.answer is not None]


TWO: tuple[Event, ...] = (
    Expanded(0, (Step("a", (1,), -0.1), Step("b", (2,), -3.0)), (1, 1)),
    Valued((1, 2), (0.9, 0.2)),
    Expanded(1, (Step("aa", (3,), -0.5),), (1,)),
    Valued((3,), (0.8,)),
    Critiqued(3, True, "7"),
    Critiqued(2, True, "8"),
)


def test_a_rule_without_weights_has_answers_without_shares() -> None:
    found = tally(fold(TWO), "first", DEFAULTS)
    assert [(one.answer, one.weight, one.share) for one in found] == [("8", None, None), ("7", None, None)]


def test_nothing_more_is_worth_a_step_below_a_solution_or_where_it_is_closed() -> None:
    tree = fold(TWO)
    found = gains(tree, DEFAULTS)
    assert found.gain[2] == found.gain[3] == 0.0
    assert found.gain[1] == found.own[1] > 0
    assert found.gain[0] == max(found.own[0], found.shares[0].children[0] * found.gain[1])
    closed = gains(tree, DEFAULTS, closed={0, 1})
    assert closed.gain == (0.0, 0.0, 0.0, 0.0)
    assert gains(tree, DEFAULTS, deepest=1).own[1] == 0.0


def test_the_first_step_of_a_node_is_drawn_greedily() -> None:
    assert gains(fold(()), DEFAULTS).own == (FIRST_HIT,)


def test_draws_that_brought_nothing() -> None:
    step = (Step("a"),)
    events = (
        Selected(0),
        Expanded(0, step, (1,)),
        Selected(1),
        Selected(1),
        Selected(0, running=(1,)),
        Expanded(0, step, (1,)),
        Selected(0),
    )
    assert empty_draws(events) == {0: 0, 1: 2}
