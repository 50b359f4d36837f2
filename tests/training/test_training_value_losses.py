"""The losses of a value model, by hand and against the rules that make the labels."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restmcts.labels import quality
from restmcts.training.batches import Batch
from restmcts.training.samples import Chain
from restmcts.training.values.examples import NO_NODE, collate_values, example
from restmcts.training.values.losses import quality_loss, quality_values, ranking_loss, squared_loss

CHAINS = st.lists(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=9), min_size=1, max_size=4
)


def rows(values: list[list[float]], fill: float = 0.0) -> torch.Tensor:
    longest = max(map(len, values))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in values])


def batch_of(
    labels: list[list[float | None]],
    counted: list[list[float | None]] | None = None,
    nodes: list[list[int]] | None = None,
) -> Batch:
    """A batch of chains with a prompt of one token and steps of one."""
    examples = []
    for number, (known, label) in enumerate(zip(labels, counted or labels, strict=True)):
        ends = tuple(range(1, len(known) + 1))
        chain = Chain(number, (0,) * (len(known) + 1), 1, ends, tuple(label))
        examples.append(example(chain, (), known, nodes[number] if nodes else ()))
    batch = collate_values(examples, torch.float32)
    batch["count"] = torch.tensor(sum(label is not None for chain in counted or labels for label in chain))
    return batch


def said(values: list[list[float]]) -> torch.Tensor:
    """What the head says: something else at the prompt, then one value a step."""
    return torch.cat([torch.full((len(values), 1), 7.0), rows(values, 9.0)], 1).requires_grad_()


@given(CHAINS)
@settings(max_examples=80, deadline=None)
def test_a_batch_of_chains_gives_the_quality_values_of_each(chains: list[list[tuple[float, int]]]) -> None:
    right = rows([[chance for chance, _ in chain] for chain in chains], 0.7).double()
    left = rows([[distance for _, distance in chain] for chain in chains]).long()
    found = quality_values(right, left)
    for row, chain in zip(found, chains, strict=True):
        expected = quality.quality_values(*zip(*chain, strict=True))
        assert row[: len(chain)].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 40, 400])
def test_long_chains_stay_finite_and_so_do_their_gradients(steps: int) -> None:
    right = torch.full((2, steps), 0.99, requires_grad=True)
    left = torch.stack([torch.arange(steps, 0, -1), torch.ones(steps, dtype=torch.long)])
    values = quality_values(right, left)
    values.sum().backward()
    assert right.grad is not None
    assert torch.isfinite(values).all() and torch.isfinite(right.grad).all()
    assert values.min() >= 0 and values.max() <= 1


def test_gradients_are_those_of_the_formula() -> None:
    left = torch.tensor([[4, 3, 2, 1], [2, 1, 1, 0]])
    right = torch.rand(2, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda chances: quality_values(chances, left)[:, :3], right)


def test_quality_loss_by_hand() -> None:
    """K = 3: a right chain, and one whose second step is wrong: 1/3, 1/9 and no label."""
    labels: list[list[float | None]] = [[1 / 3, 2 / 3, 1.0], [1 / 3, 1 / 9, None]]
    counted: list[list[float | None]] = [[1 / 3, 2 / 3, 1.0], [None, 1 / 9, None]]
    chances = [[0.9, 0.8, 0.7], [0.9, 0.4, 0.2]]
    batch = batch_of(labels, counted)
    expected = 0.0
    for known, on, row in zip(labels, counted, chances, strict=True):
        implied = quality.quality_values(row, quality.distances(known))
        expected += sum((v - label) ** 2 for v, label in zip(implied, on, strict=True) if label is not None)
    assert quality_loss(said(chances), batch).item() == pytest.approx(expected / 4, rel=1e-4)
    exact = said([[1.0, 1.0, 1.0], [1.0, 0.0, 0.3]])
    assert quality_loss(exact, batch).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5])
def test_a_head_that_says_too_little_or_too_much_still_learns(value: float) -> None:
    """A new head says 0; the gradient must pull every head inside [0, 1]."""
    values = said([[value, value]])
    quality_loss(values, batch_of([[0.5, 1.0]])).backward()
    assert values.grad is not None
    slope = values.grad[0, 1].item()
    assert slope > 0 if value > 1 else slope < 0
    assert values.grad[0, 0] == 0


def test_squared_loss_by_hand() -> None:
    batch = batch_of([[0.5, None, 1.0], [0.0]])
    assert squared_loss(said([[0.4, 0.9, 0.7], [0.2]]), batch).item() == pytest.approx(
        (0.01 + 0.09 + 0.04) / 3
    )


def test_ranking_by_hand() -> None:
    """Node 1 has the children 2 (1.0), 3 (0.2) and 4 (0.2); 5 is a child of another node."""
    labels: list[list[float | None]] = [[1.0, 1.0], [1.0, 0.2], [1.0, 0.2], [0.5]]
    batch = batch_of(labels, nodes=[[0, 1, 2], [0, 1, 3], [0, 1, 4], [9, 5]])
    assert batch["parents"].tolist() == [[0, 1], [NO_NODE, 1], [NO_NODE, 1], [9, NO_NODE]]
    values = said([[0.9, 0.6], [0.9, 0.5], [0.9, 0.8], [0.1]])
    expected = (math.log(1 + math.exp(-10 * 0.1)) + math.log(1 + math.exp(10 * 0.2))) / 2
    loss = ranking_loss(values, batch)
    assert loss.item() == pytest.approx(expected * 7 / 7, rel=1e-5)
    loss.backward()
    assert values.grad is not None
    assert values.grad[0, 2] < 0 < values.grad[1, 2] and values.grad[3].abs().sum() == 0


def test_ranking_without_siblings_is_nothing() -> None:
    batch = batch_of([[1.0, 0.5], [1.0, None]], nodes=[[0, 1, 2], [0, 1, 3]])
    values = said([[0.9, 0.6], [0.9, 0.5]])
    loss = ranking_loss(values, batch)
    loss.backward()
    assert loss.item() == 0.0 and values.grad is not None


def test_losses_of_two_batches_of_an_update_add_up(tmp_path: Path) -> None:
    labels: list[list[float | None]] = [[0.5, 1.0], [0.5, 0.25], [0.0, 0.0]]
    chances = [[0.9, 0.3], [0.7, 0.1], [0.4, 0.5]]
    together = quality_loss(said(chances), batch_of(labels))
    parts = [batch_of(labels[:1]), batch_of(labels[1:])]
    for part in parts:
        part["count"] = torch.tensor(6)
    apart = quality_loss(said(chances[:1]), parts[0]) + quality_loss(said(chances[1:]), parts[1])
    assert together.item() == pytest.approx(apart.item())
