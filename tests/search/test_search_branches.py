"""The events of a job join its search, with the numbers that its nodes have there."""

from __future__ import annotations

import pytest

from restmcts.search.branch import Branch
from restmcts.search.recorder import Recorder
from store.events import Cost, Critiqued, Expanded, RolledOut, Selected, Step, Valued


def search() -> Recorder:
    """The root with children a (1) and b (2); b has a child c (3)."""
    recorder = Recorder()
    recorder.emit(Expanded(0, (Step("a"), Step("b")), (1, 1)))
    recorder.emit(Valued((1, 2), (0.5, 0.25)))
    recorder.emit(Expanded(2, (Step("c"),), (2,)))
    return recorder


def grow(branch: Branch, *texts: str, value: float, finished: bool = False) -> list[int]:
    """Children of the branch's first node, each with a value and a verdict."""
    own = branch.recorder.emit(Expanded(branch.start, tuple(map(Step, texts)), (1,) * len(texts)))
    numbers = [node.id for node in own]
    branch.recorder.spend(Cost(value=7))
    branch.recorder.emit(Valued(tuple(numbers), (value,) * len(numbers)))
    for number in numbers:
        branch.recorder.emit(Critiqued(number, finished, "1" if finished else None, cost=Cost(critic=2)))
    return numbers


def test_new_nodes_are_numbered_in_the_order_in_which_they_join() -> None:
    recorder = search()
    left, right = Branch(recorder.tree, 1), Branch(recorder.tree, 3)
    (d,) = grow(left, "d", value=0.1)
    (e,) = grow(right, "e", value=0.2)
    right.recorder.emit(RolledOut(e, (Step("f"),), (0.9,), 0.9, 0.55, 1))
    assert (right.join(recorder, e), left.join(recorder, d)) == (4, 5)
    tree = recorder.tree
    assert [tree.text(node) for node in range(6)] == ["", "a", "b", "bc", "bce", "ad"]
    assert [tree.nodes[node].value for node in (4, 5)] == [0.55, 0.1]
    assert tree.nodes[4].visits == 1


def test_the_cost_after_the_last_event_joins_too() -> None:
    recorder = search()
    branch = Branch(recorder.tree, 1)
    branch.recorder.spend(Cost(prompt=5))
    assert branch.join(recorder, branch.start) == 1
    assert recorder.cost == Cost(prompt=5)


def test_steps_that_follow_at_one_node_in_several_events_keep_their_numbers() -> None:
    """Below a, a job finds d, then e below d, then f below a; the search has found f in the meantime."""
    recorder = search()
    branch = Branch(recorder.tree, 1)
    (d,) = grow(branch, "d", value=0.1)
    branch.recorder.emit(Expanded(d, (Step("e"),), (1,)))
    f, again = grow(branch, "f", "d", value=0.3)
    recorder.emit(Expanded(1, (Step("f"),), (1,)))
    assert again == d
    assert branch.join(recorder, f) == 4
    assert [recorder.tree.text(node) for node in range(3, 7)] == ["bc", "af", "ad", "ade"]
    assert recorder.tree.nodes[4].samples == 2


def test_what_two_branches_find_is_one_node_with_the_first_score_and_all_costs() -> None:
    recorder = search()
    first, second = Branch(recorder.tree, 1), Branch(recorder.tree, 1)
    grow(first, "d", value=0.1, finished=True)
    _, e = grow(second, "d", "e", value=0.9)
    first.join(recorder, None)
    assert second.join(recorder, e) == 5
    nodes = recorder.tree.nodes
    assert [(node.score, node.samples, node.finished) for node in nodes[4:]] == [
        (0.1, 2, True),
        (0.9, 1, False),
    ]
    assert nodes[4].answer == "1"
    assert recorder.cost == Cost(value=14, critic=6)


def test_nothing_new_still_costs() -> None:
    recorder = search()
    first, second = Branch(recorder.tree, 1), Branch(recorder.tree, 1)
    grow(first, "d", value=0.1)
    grow(second, "d", value=0.9)
    for branch in (first, second):
        branch.join(recorder, None)
    assert recorder.tree.nodes[4].score == 0.1
    assert recorder.cost == Cost(value=14, critic=4)


def test_a_node_that_has_no_next_step_is_finished_although_its_verdict_was_another() -> None:
    recorder = search()
    recorder.emit(Critiqued(1, False))
    branch = Branch(recorder.tree, 1)
    branch.recorder.emit(Critiqued(branch.start, True, "7"))
    branch.join(recorder, None)
    assert (recorder.tree.nodes[1].finished, recorder.tree.nodes[1].answer) == (True, "7")


def test_other_events_are_refused() -> None:
    recorder = search()
    branch = Branch(recorder.tree, 1)
    branch.recorder.emit(Selected(0))
    with pytest.raises(TypeError, match="does not record Selected"):
        branch.join(recorder, None)
