"""The figures of trees are what a look at every moment of the search gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.answering.constants import DEFAULTS
from store.answering.rules import RULES
from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Expanded,
    Extended,
    Header,
    Result,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.figures import TreeFigures, folded
from store.tree import Tree, fold
from tests.store.build import record
from tests.store.strategies import searches

EXACT = ("first", "best-value", "best-last", "best-minimum", "best-product", "best-likelihood", "majority")


def answers_on_the_way(search: SearchRecord) -> list[str]:
    """What the rule of the search answers at each look, and the search itself at its end."""
    tree, found = Tree(), []
    for event in search.events:
        if isinstance(event, Selected | Expanded | Extended | Stopped):
            answer = RULES[search.header.answer_by].run(tree, DEFAULTS)
            found += [] if answer is None else [answer.text]
        tree.apply(event)
    assert tree.stopped is not None
    return found + ([] if tree.stopped.answer is None else [tree.stopped.answer])


@settings(max_examples=300, deadline=None)
@given(searches(most=20), st.sampled_from(EXACT))
def test_changes_of_the_answer(search: SearchRecord, rule: str) -> None:
    search = replace(search, header=replace(search.header, answer_by=rule, settings={}))
    seen = answers_on_the_way(search)
    _, figures = folded(search)
    changes = sum(before != after for before, after in pairwise(seen))
    assert figures.answer_changes == changes


@settings(max_examples=200, deadline=None)
@given(searches(most=20), st.sampled_from(sorted(RULES)))
def test_figures_of_any_tree(search: SearchRecord, rule: str) -> None:
    search = replace(search, header=replace(search.header, answer_by=rule, settings={}))
    tree, figures = folded(search)
    assert tree == fold(search.events)
    right = [node for node in tree.finished() if node.correct]
    assert figures.right in (len(right), None)
    assert (figures.right is None) == (figures.ever_right is None)
    known = [node.value for node in right if node.score is not None or node.visits]
    assert figures.best_right == max(known, default=None)
    assert (figures.first_right_event is None) == (not right)
    assert 0 <= figures.idle_rounds <= figures.rounds
    assert figures.leaves == sum(not node.children for node in tree.nodes)
    if figures.first_right_event is not None:
        before = fold(search.events[: figures.first_right_event])
        assert figures.first_right_tokens == before.cost.generated


def test_a_small_tree() -> None:
    _, figures = folded(record())
    assert figures == TreeFigures(
        depth=2,
        leaves=2,
        right=1,
        distinct_answers=1,
        best_right=0.875,
        best_wrong=None,
        first_right_event=7,
        first_right_tokens=12,
        answer_changes=0,
        ever_right=True,
        rounds=1,
        idle_rounds=0,
        message=None,
        answer_path=(1, 3),
    )


def lost(rule: str = "best-value", **header: object) -> SearchRecord:
    """The right answer comes first; a wrong one that the value model likes better takes its place."""
    steps = (Step("right", (1,)), Step("wrong", (2,)))
    events = (
        Selected(0),
        Expanded(0, steps[:1], (1,), Cost(policy=5)),
        Valued((1,), (0.5,), Cost(value=3)),
        Critiqued(1, True, "5"),
        Selected(0),
        Expanded(0, steps[1:], (2,), Cost(policy=5)),
        Critiqued(2, True, "6"),
        Valued((2,), (0.75,), Cost(value=3)),
        Selected(1),
        BackedUp((1, 0), (1, 1), (0.5, 0.5)),
        Verified((1, 2), (True, False)),
        Stopped("rounds", 2, "6"),
    )
    named = Header("1.search/0", "1.search", "p", "?", "5", "mcts", rule, 0, "policy", settings=dict(header))
    return SearchRecord(named, events, Result("6", False, "rounds", Cost(policy=10, value=6), 3, 2))


@pytest.mark.parametrize("rule", ["best-value", "majority", "value-vote", "posterior-vote"])
def test_a_right_answer_that_was_lost(rule: str) -> None:
    _, figures = folded(lost(rule))
    assert (figures.answer_changes, figures.ever_right) == (1, True)
    assert (figures.first_right_event, figures.first_right_tokens) == (4, 5)
    assert (figures.best_right, figures.best_wrong) == (0.5, 0.75)
    assert (figures.rounds, figures.idle_rounds) == (3, 1)
    assert figures.answer_path == (2,)


def test_a_rule_that_nobody_knows_and_damaged_constants() -> None:
    assert folded(lost("astrology"))[1].answer_changes is None
    assert folded(lost("posterior-vote", constants={"policy": "much"}))[1].answer_changes is None
    assert folded(lost("astrology"))[1].ever_right is False


def test_rounds_that_run_beside_others_are_not_idle() -> None:
    events = (Selected(0), Selected(0, running=(0,)), Expanded(0, (Step("a"),), (1,), Cost(policy=1)))
    plain = lost()
    _, figures = folded(replace(plain, events=(*events, Stopped("failed", message="no engine"))))
    assert (figures.rounds, figures.idle_rounds, figures.message) == (2, 0, "no engine")
    assert figures.right == 0  # the result has a verdict: nothing is right


def test_traces_that_come_again_count_as_votes() -> None:
    one, two = (Step("one"),), (Step("two"),)
    events = (
        Extended(0, one), Critiqued(1, True, "1"), Extended(0, two), Critiqued(2, True, "2"),
        Extended(0, two), Stopped("samples", 2, "2"),
    )  # fmt: skip
    _, figures = folded(replace(lost("majority"), events=events))
    assert (figures.answer_changes, figures.right, figures.ever_right) == (1, 0, False)


def test_solutions_that_nothing_has_valued_have_no_best_value() -> None:
    """A search without a value model has no V, and not one of 0; a V of 0 that was given is one."""
    steps = (Step("right"),), (Step("wrong"),)
    events = (
        Extended(0, steps[0]), Critiqued(1, True, "5"), Extended(0, steps[1]), Critiqued(2, True, "6"),
    )  # fmt: skip
    ended = (Verified((1, 2), (True, False)), Stopped("samples", 1, "5"))
    _, figures = folded(replace(lost("majority"), events=(*events, *ended)))
    assert (figures.right, figures.best_right, figures.best_wrong) == (1, None, None)
    _, figures = folded(replace(lost("majority"), events=(*events, Valued((2,), (0.0,), Cost()), *ended)))
    assert (figures.best_right, figures.best_wrong) == (None, 0.0)
