"""Trees are what the events add up to."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.events import (
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    RolledOut,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    Valued,
    Verified,
)
from store.selection import upper_confidence
from store.tree import Tree, fold
from tests.store.build import record
from tests.store.strategies import live_searches

A, B, C = Step("a\n", (1,)), Step("b\n", (2,)), Step("c\n", (3,))


@given(live_searches())
def test_fold_of_all_events_is_the_live_tree(search: tuple[SearchRecord, Tree]) -> None:
    searched, tree = search
    assert fold(searched.events) == tree


@given(live_searches())
def test_every_prefix_is_a_tree_that_the_next_event_only_adds_to(search: tuple[SearchRecord, Tree]) -> None:
    searched, tree = search
    size = 0
    for end in range(len(searched.events) + 1):
        nodes = fold(searched.events[:end]).nodes
        assert len(nodes) >= size
        size = len(nodes)
        assert [(node.id, node.parent, node.step) for node in nodes] == [
            (node.id, node.parent, node.step) for node in tree.nodes[:size]
        ]


@given(live_searches())
def test_parents_children_and_depths_agree(search: tuple[SearchRecord, Tree]) -> None:
    _, tree = search
    for node in tree.nodes:
        assert all(tree.nodes[child].parent == node.id for child in node.children)
        assert node.depth == len(tree.path(node.id)) == len(tree.steps(node.id))
        if node.parent is not None:
            assert node.parent < node.id
            assert node.id in tree.nodes[node.parent].children
        assert [member.id for member in tree.ancestors(node.id)][-1] == 0


@given(live_searches())
def test_cost_is_the_sum_over_the_events(search: tuple[SearchRecord, Tree]) -> None:
    searched, tree = search
    assert tree.cost.policy == sum(event.cost.policy for event in searched.events)
    assert tree.cost.generated == sum(event.cost.policy + event.cost.critic for event in searched.events)
    assert tree.cost.calls == sum(event.cost.calls for event in searched.events)


@given(live_searches(), st.integers(0, 10**6))
def test_the_line_of_a_node_has_copies_of_its_ancestors(
    search: tuple[SearchRecord, Tree], chosen: int
) -> None:
    tree = search[1]
    node = chosen % len(tree.nodes)
    line = tree.line(node)
    members = [tree.root, *tree.path(node)]
    assert len(line.nodes) == len(members) == tree.nodes[node].depth + 1
    for depth, (copied, original) in enumerate(zip(line.nodes, members, strict=True)):
        assert line.steps(depth) == tree.steps(original.id)
        assert copied.children == ([depth + 1] if original.id != node else [])
        assert replace(copied, id=original.id, parent=original.parent, children=original.children) == original


def test_a_line_changes_alone() -> None:
    tree = fold([Expanded(0, (Step("a"), Step("b")), (1, 1)), Expanded(1, (Step("c"),), (1,))])
    line = tree.line(1)
    line.apply(Expanded(1, (Step("d"),), (1,)))
    line.apply(Valued((1, 2), (0.5, 0.5)))
    assert (len(tree.nodes), tree.nodes[1].value, tree.nodes[1].children) == (4, 0.0, [3])


def test_expansion_adds_children_with_their_sample_counts() -> None:
    tree = fold([Expanded(0, (A, B), (2, 1)), Expanded(2, (C,), (3,))])
    assert [node.samples for node in tree.nodes] == [0, 2, 1, 3]
    assert tree.root.children == [1, 2]
    assert tree.root.expanded and not tree.nodes[1].expanded
    assert tree.text(3) == "b\nc\n"


def test_a_step_that_is_sampled_again_is_counted_and_joins_once() -> None:
    tree = fold([Expanded(0, (A, B), (2, 1))])
    assert tree.apply(Expanded(0, (B, C, A), (1, 1, 4))) == [2, 3, 1]
    assert [(node.step, node.samples) for node in tree.nodes[1:]] == [(A, 6), (B, 2), (C, 1)]
    assert tree.root.children == [1, 2, 3]


def test_an_empty_expansion_adds_nothing() -> None:
    tree = Tree()
    assert tree.apply(Expanded(0, (), ())) == []
    assert len(tree.nodes) == 1


def test_a_trace_walks_over_steps_that_are_there() -> None:
    tree = fold([Extended(0, (A, B)), Extended(0, (A, C)), Extended(0, (A, B))])
    assert [(node.parent, node.step, node.samples) for node in tree.nodes[1:]] == [
        (0, A, 3),
        (1, B, 2),
        (1, C, 1),
    ]


def test_a_tree_knows_from_which_nodes_traces_were_sampled() -> None:
    tree = fold(
        [Extended(0, (A, B)), Extended(1, (B,)), Extended(1, (C,)), Extended(1, ()), Extended(0, (A,))]
    )
    assert tree.traces == {0: [2, 1], 1: [2, 3, 1]}
    tree.forget_trace(1)
    tree.forget_trace(0)
    tree.forget_trace(0)
    assert tree.traces == {1: [2, 3]}
    assert fold([Expanded(0, (A,), (2,))]).traces == {}


def test_a_trace_that_ends_is_not_the_one_that_goes_on() -> None:
    ended = Step(A.text, A.tokens, None, True)
    assert len(fold([Extended(0, (A,)), Extended(0, (ended,))]).nodes) == 3


def test_the_probability_does_not_make_a_step_another_one() -> None:
    assert len(fold([Extended(0, (A,)), Extended(0, (Step(A.text, A.tokens, -1.0),))]).nodes) == 2


def test_a_score_is_kept_when_the_value_changes() -> None:
    tree = fold([Expanded(0, (A,), (1,)), Valued((1,), (0.25,)), BackedUp((1, 0), (1, 1), (0.5, 0.75))])
    assert (tree.nodes[1].score, tree.nodes[1].value, tree.nodes[1].visits) == (0.25, 0.5, 1)
    assert (tree.root.score, tree.root.value) == (None, 0.75)


def test_a_rollout_changes_one_node_and_adds_none() -> None:
    tree = fold([Expanded(0, (A,), (1,)), RolledOut(1, (B, C), (0.5, 0.25), 0.5, 0.375, 1)])
    assert len(tree.nodes) == 2
    assert (tree.nodes[1].value, tree.nodes[1].visits) == (0.375, 1)


def test_critique_verdict_and_end() -> None:
    events: list[Event] = [
        Expanded(0, (A,), (1,)),
        Selected(1),
        Critiqued(1, True, "7", "check it"),
        Verified((1,), (False,)),
        Stopped("gate", 1, "7"),
    ]
    tree = fold(events)
    node = tree.nodes[1]
    assert (node.critiqued, node.finished, node.answer, node.advice, node.correct) == (
        True,
        True,
        "7",
        "check it",
        False,
    )
    assert tree.finished() == [node]
    assert tree.stopped == events[-1]


@pytest.mark.parametrize(
    "event",
    [
        Selected(4),
        Selected(-1),
        Critiqued(9, True),
        Expanded(7, (A,), (1,)),
        Expanded(0, (A, B), (1,)),
        Extended(5, (A,)),
        Valued((0, 8), (0.5, 0.5)),
        Valued((0,), ()),
        RolledOut(6, (), (), 0.5, 0.5, 1),
        BackedUp((0,), (1, 2), (0.5,)),
        Verified((0,), ()),
        Stopped("rounds", 12),
    ],
)
def test_an_event_that_does_not_fit_is_refused(event: Event) -> None:
    with pytest.raises(ValueError):
        fold([Expanded(0, (A, B, C), (1, 1, 1)), event])


def test_upper_confidence() -> None:
    assert upper_confidence(0.5, 0, 9, 0.4, 0.8) == pytest.approx(1.3)
    assert upper_confidence(0.5, 2, 9, 0.4, 0.8) == pytest.approx(0.5 + 0.4 * math.sqrt(2 * math.log(9) / 2))
    assert upper_confidence(0.5, 1, 1, 0.4, 0.8) == 0.5


def test_costs_add_up_field_by_field() -> None:
    assert Cost(1, 2, 3, 4, 5) + Cost(10, 20, 30, 40, 50) == Cost(11, 22, 33, 44, 55)
    assert Cost(1, 2, 3, 4, 5).generated == 3


def test_the_record_for_the_tests_is_consistent() -> None:
    made = record()
    tree = fold(made.events)
    assert (len(tree.nodes), len(tree.finished()), tree.cost) == (
        made.result.nodes,
        made.result.finished,
        made.result.cost,
    )


def test_very_many_children_take_no_more_time_each() -> None:
    """The work of an event does not grow with the children that are there already."""
    count = 20_000
    steps = [Step(f"{number}\n", (number,)) for number in range(count)]
    started = time.process_time()
    tree = fold(Expanded(0, (step,), (1,)) for step in steps)
    tree = fold([*(Expanded(0, (step,), (1,)) for step in steps), *(Extended(0, (step,)) for step in steps)])
    assert time.process_time() - started < 5
    assert len(tree.nodes) == count + 1
    assert {node.samples for node in tree.nodes[1:]} == {2}


def test_a_step_is_found_by_text_or_by_tokens() -> None:
    """Expansion joins the last child with the text, a whole trace the first with text and tokens."""
    one, other = Step("x\n", (1,)), Step("x\n", (2,))
    tree = fold([Extended(0, (one,)), Extended(0, (other,)), Expanded(0, (one,), (3,)), Extended(0, (one,))])
    assert [node.samples for node in tree.nodes[1:]] == [2, 4]


def test_a_tree_that_lost_its_last_nodes_finds_the_others() -> None:
    tree = fold([Expanded(0, (A,), (1,)), Extended(0, (replace(A, tokens=(9,)),))])
    del tree.nodes[2:]
    del tree.nodes[0].children[1:]
    tree.apply(Expanded(0, (A, B), (1, 1)))
    tree.apply(Extended(0, (replace(A, tokens=(9,)),)))
    assert [(node.id, node.samples) for node in tree.nodes[1:]] == [(1, 2), (2, 1), (3, 1)]
    line = tree.line(1)
    line.apply(Expanded(0, (A, C), (1, 1)))
    assert [(node.id, node.samples) for node in line.nodes[1:]] == [(1, 3), (2, 1)]
