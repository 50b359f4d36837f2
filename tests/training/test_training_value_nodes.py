"""Siblings among chains, and the order that puts them into one batch."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.training.values.nodes import Siblings

LABELS = st.sampled_from([None, 0.0, 0.5, 1.0])


@st.composite
def forests(draw: st.DrawFn) -> tuple[list[list[int]], list[list[float | None]]]:
    """Chains of a few problems; a node has one label wherever it is."""
    numbers: dict[tuple[int, ...], int] = {}
    labels: dict[int, float | None] = {}
    chains, on_chains = [], []
    for _ in range(draw(st.integers(1, 12))):
        path: tuple[int, ...] = (draw(st.integers(0, 1)),)
        nodes = [numbers.setdefault(path, len(numbers))]
        for _ in range(draw(st.integers(1, 4))):
            path = (*path, draw(st.integers(0, 2)))
            nodes.append(numbers.setdefault(path, len(numbers)))
            if nodes[-1] not in labels:
                labels[nodes[-1]] = draw(LABELS)
        chains.append(nodes)
        on_chains.append([labels[node] for node in nodes[1:]])
    return chains, on_chains


def part_with_different_labels(
    chains: list[list[int]], labels: list[list[float | None]], a: int, b: int
) -> bool:
    for place, (one, two) in enumerate(zip(chains[a], chains[b], strict=False)):
        if one != two:
            first, second = labels[a][place - 1], labels[b][place - 1]
            return place > 0 and first is not None and second is not None and first != second
    return False


@given(forests(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_partners_part_where_one_step_is_better(
    forest: tuple[list[list[int]], list[list[float | None]]], random: Random
) -> None:
    chains, labels = forest
    siblings = Siblings(chains, labels)
    for chain in range(len(chains)):
        possible = {
            other for other in range(len(chains)) if part_with_different_labels(chains, labels, chain, other)
        }
        found = siblings.partner(chain, set(), random)
        assert (found in possible) if possible else found is None
        assert siblings.partner(chain, possible, random) is None


@given(forests(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_every_chain_comes_once_and_the_seed_decides_the_order(
    forest: tuple[list[list[int]], list[list[float | None]]], seed: int
) -> None:
    chains, labels = forest
    siblings = Siblings(chains, labels)
    order = list(range(len(chains)))
    arranged = siblings.side_by_side(order, Random(seed))
    assert sorted(arranged) == order
    assert arranged == siblings.side_by_side(order, Random(seed))


def test_siblings_come_one_after_the_other() -> None:
    chains = [[0, 1, 2], [3, 4], [0, 1, 5], [6, 7]]
    labels: list[list[float | None]] = [[1.0, 1.0], [1.0], [1.0, 0.0], [0.0]]
    assert Siblings(chains, labels).side_by_side([0, 1, 2, 3], Random(0)) == [0, 2, 1, 3]
