"""What moves beside a search recorded joins it, by the numbers of its nodes there."""

from __future__ import annotations

import pytest

from restmcts.search.recorder import Recorder
from restmcts.search.running.beside import Clock
from restmcts.search.running.branches import Branch
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
    right.join(recorder, len(right.recorder.events))
    left.join(recorder, len(left.recorder.events))
    assert (right.here([e]), left.here([d])) == ([4], [5])
    tree = recorder.tree
    assert [tree.text(node) for node in range(6)] == ["", "a", "b", "bc", "bce", "ad"]
    assert [tree.nodes[node].value for node in (4, 5)] == [0.55, 0.1]
    assert tree.nodes[4].visits == 1


def test_events_join_once_as_far_as_asked_for() -> None:
    recorder = search()
    branch = Branch(recorder.tree, 1)
    grow(branch, "d", value=0.1)
    branch.join(recorder, 1)
    assert recorder.tree.nodes[4].score is None
    branch.join(recorder, 3)
    branch.join(recorder, 3)
    assert recorder.tree.nodes[4].score == 0.1
    assert len(recorder.events) == 6


def test_what_two_branches_find_is_one_node_with_the_first_score_and_all_costs() -> None:
    recorder = search()
    first, second = Branch(recorder.tree, 1), Branch(recorder.tree, 1)
    grow(first, "d", value=0.1, finished=True)
    d, e = grow(second, "d", "e", value=0.9)
    for branch in (first, second):
        branch.join(recorder, len(branch.recorder.events))
    assert second.here([d, e]) == [4, 5]
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
        branch.join(recorder, len(branch.recorder.events))
    assert recorder.tree.nodes[4].score == 0.1
    assert recorder.cost == Cost(value=14, critic=4)


def test_a_node_that_has_no_next_step_is_finished_although_its_verdict_was_another() -> None:
    recorder = search()
    recorder.emit(Critiqued(1, False))
    branch = Branch(recorder.tree, 1)
    branch.recorder.emit(Critiqued(branch.start, True, "7"))
    branch.join(recorder, 1)
    assert (recorder.tree.nodes[1].finished, recorder.tree.nodes[1].answer) == (True, "7")


def test_other_events_are_refused() -> None:
    recorder = search()
    branch = Branch(recorder.tree, 1)
    branch.recorder.emit(Selected(0))
    with pytest.raises(TypeError, match="do not record Selected"):
        branch.join(recorder, 1)


def test_a_clock_says_when_a_request_had_ended() -> None:
    clock = Clock(5)
    clock.advance(4)
    clock.advance(3)
    assert clock.now == 12
    assert [clock.ended(time) for time in (5, 6, 9, 10, 12)] == [5, 9, 9, 12, 12]
