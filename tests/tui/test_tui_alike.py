"""What two trees have in common."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from store.events import Critiqued, Expanded, Step, Stopped
from store.tree import Tree
from tests.tui.made_searches import mcts
from tui.replay.alike import alike
from tui.replay.survey import survey


def grown(seed: int, nodes: int) -> Tree:
    """A tree with few different steps, so that two of them have much in common."""
    chance, tree = random.Random(seed), Tree()
    for _ in range(nodes):
        parent = chance.randrange(len(tree.nodes))
        tree.apply(Expanded(parent, (Step(f"step {chance.randrange(3)} {chance.random()}"[:6]),), (1,)))
    last = len(tree.nodes) - 1
    tree.apply(Critiqued(last, True, "1"))
    tree.apply(Stopped("rounds", last, "1"))
    return tree


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30))
def test_matched_nodes_are_reached_by_the_same_steps(a: int, b: int, nodes_a: int, nodes_b: int) -> None:
    one, two = grown(a, nodes_a), grown(b, nodes_b)
    found = alike(one, two)
    assert found.b_of_a[0] == 0
    assert {node: other for other, node in found.a_of_b.items()} == found.b_of_a
    for node, other in found.b_of_a.items():
        assert [step.text for step in one.steps(node)] == [step.text for step in two.steps(other)]
    back = alike(two, one)
    assert (back.steps, back.apart_a, back.apart_b) == (found.steps, found.apart_b, found.apart_a)
    ways = [tree.path(len(tree.nodes) - 1) for tree in (one, two)]
    for way, apart in zip(ways, (found.apart_a, found.apart_b), strict=True):
        assert apart == (way[found.steps].id if found.steps < len(way) else None)
    shared = [[node.step for node in way[: found.steps]] for way in ways]
    assert shared[0] == shared[1]


def test_a_tree_is_like_itself() -> None:
    final = survey(mcts(3)).final
    found = alike(final, final)
    assert found.b_of_a == {node.id: node.id for node in final.nodes}
    assert found.apart_a is None and found.apart_b is None


def test_without_an_answer_nothing_parts() -> None:
    one, two = grown(1, 5), Tree()
    assert alike(one, two).apart_a is None
