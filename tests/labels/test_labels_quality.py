"""Quality values from the chances that single steps are right, against the labels of trees."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.labels import rest_mcts
from restmcts.labels.quality import are_quality_values, distances, quality_values, right_steps
from store.tree import Tree
from tests.labels.test_labels_rules import GOLDEN, Spec, specs, tree_of, verdicts_below


def chains(tree: Tree) -> list[tuple[list[float | None], list[float]]]:
    """For each leaf, the labels of its chain, and 1 for each step on a correct trace, 0 for the others."""
    labels = rest_mcts(tree)
    found = []
    for leaf in tree.nodes[1:]:
        if not leaf.children:
            path = [node.id for node in tree.path(leaf.id)]
            right = [float(True in verdicts_below(tree, node)) for node in path]
            found.append(([labels[node] for node in path], right))
    return found


def check(tree: Tree) -> None:
    for labels, right in chains(tree):
        if labels[0] is None:
            continue
        values = quality_values(right, distances(labels))
        known = [(value, label) for value, label in zip(values, labels, strict=True) if label is not None]
        assert [value for value, _ in known] == [label for _, label in known]
        assert right_steps(labels) == sum(right)
        assert are_quality_values(labels)


@pytest.mark.parametrize("spec", [row[1] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_exact_chances_give_the_golden_labels(spec: Spec) -> None:
    check(tree_of(spec)[0])


@given(specs())
@settings(max_examples=150, deadline=None)
def test_exact_chances_give_the_labels_of_every_tree(spec: Spec) -> None:
    check(tree_of(spec)[0])


def test_distances_of_right_steps_are_in_their_labels() -> None:
    # a is two steps from the nearer answer, although this chain goes on for three
    assert distances([0.5, 0.75, 1.0]) == (2, 2, 1)
    # x leaves the trace behind b: the end of the chain is taken for the answer
    assert distances([1 / 3, 2 / 3, 0.5, None]) == (3, 2, 2, 1)
    assert distances([0.0, 0.0, 0.0]) == distances([None] * 3) == (3, 2, 1)
    assert distances([]) == ()


@pytest.mark.parametrize("steps", [1, 2, 7, 60])
def test_a_right_chain_of_k_steps_has_k_of_k(steps: int) -> None:
    found = quality_values([1.0] * steps, distances([None] * steps))
    assert found == pytest.approx([step / steps for step in range(1, steps + 1)])


def test_uncertain_steps_by_hand() -> None:
    # K = 3, distances 3, 2, 1. Right chain: 1/3, 2/3, 1. First error at 2: 1/3 - (2/3)/3 = 1/9, then
    # 1/9 - (8/9)/3 < 0. At 3: 2/3 - (1/3)/2 = 1/2. At 1: 0.
    found = quality_values([0.9, 0.8, 0.5], (3, 2, 1))
    assert found == pytest.approx(
        [0.9 / 3, 0.72 * 2 / 3 + 0.9 * 0.2 / 9, 0.36 + 0.72 * 0.5 * 0.5 + 0.9 * 0.2 * 0.0]
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_value_is_the_mean_over_the_places_of_the_first_error(right: list[float]) -> None:
    """A mixture: draw for each step whether it is right; what comes after the first error plays no part."""
    steps = distances([None] * len(right))
    mean = [0.0] * len(right)
    for drawn in product([0.0, 1.0], repeat=len(right)):
        weight = 1.0
        for chance, one in zip(right, drawn, strict=True):
            weight *= chance if one else 1 - chance
        for place, value in enumerate(quality_values(drawn, steps)):
            mean[place] += weight * value
    assert quality_values(right, steps) == pytest.approx(mean, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_values_lie_in_range_and_rise_with_every_chance(pairs: list[tuple[float, float]]) -> None:
    steps = distances([None] * len(pairs))
    low = quality_values([min(pair) for pair in pairs], steps)
    high = quality_values([max(pair) for pair in pairs], steps)
    for one, two in zip(low, high, strict=True):
        assert -1e-9 <= one <= two + 1e-9 <= 1 + 2e-9


@pytest.mark.parametrize(
    "labels", [[0.4, 0.6], [0.5, 0.9, 1.0], [1.0, 1.0, 0.0], [None, 0.5], [0.5, None, 1.0], [0.5, 0.4]]
)
def test_other_labels_are_told_apart(labels: list[float | None]) -> None:
    assert not are_quality_values(labels)


def test_labels_of_a_store_are_recognized_after_rounding() -> None:
    assert are_quality_values([round(step / 7, 7) for step in range(1, 8)])
    assert are_quality_values([])
