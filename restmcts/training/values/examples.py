"""Chains with labels as the examples and the batches that a value model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from restmcts.labels.quality import distances
from restmcts.training.batches import UNLABELLED, Batch, Example, collate
from restmcts.training.samples import Chain

NO_NODE = -1
"""The number of a node that takes no part in a ranking."""


@dataclass(frozen=True, slots=True)
class ValueExample(Example):
    """A chain with all that is known about its steps, which the labels that count are a part of.

    Attributes:
        ends: the position of the last token of each step.
        known: the label of each step, also where another chain has the node and its label counts there.
        nodes: the number of the problem, and of the node that ends each step.
    """

    ends: tuple[int, ...] = ()
    known: tuple[float | None, ...] = ()
    nodes: tuple[int, ...] = ()


def example(
    chain: Chain,
    good: Sequence[bool | None] = (),
    known: Sequence[float | None] = (),
    nodes: Sequence[int] = (),
) -> ValueExample:
    """A chain as token ids, with its labels at the last token of each step; good steps are written."""
    labels = [float(UNLABELLED)] * len(chain.tokens)
    written = [False] * len(chain.tokens)
    starts = (chain.prompt, *(end + 1 for end in chain.ends))
    for place, (start, end, label) in enumerate(zip(starts, chain.ends, chain.labels, strict=False)):
        if label is not None:
            labels[end] = label
            if good and good[place]:
                written[start : end + 1] = [True] * (end + 1 - start)
    return ValueExample(
        chain.tokens, tuple(labels), tuple(written), chain.ends, tuple(known or chain.labels), tuple(nodes)
    )


def collate_values(examples: Sequence[Example], dtype: torch.dtype) -> Batch:
    """What :func:`collate` gives, and a row of steps for each chain: (batch, most steps).

    ``ends`` is the position of the last token of a step and ``distances`` the distance of the step to a
    correct answer, itself included; 0 fills up. ``ranks`` is its label; ``parents`` is the number of the
    node before it, :data:`NO_NODE` without a label and where an earlier chain of the batch has the node.
    """
    batch = collate(examples, dtype)
    chains = [one for one in examples if isinstance(one, ValueExample)]
    assert len(chains) == len(examples)
    shape = (len(chains), max(len(chain.ends) for chain in chains))
    batch["ends"] = torch.zeros(shape, dtype=torch.long)
    batch["distances"] = torch.zeros(shape, dtype=torch.long)
    batch["parents"] = torch.full(shape, NO_NODE, dtype=torch.long)
    batch["ranks"] = torch.zeros(shape, dtype=dtype)
    seen: set[int] = set()
    for row, chain in enumerate(chains):
        steps = len(chain.ends)
        batch["ends"][row, :steps] = torch.tensor(chain.ends)
        batch["distances"][row, :steps] = torch.tensor(distances(chain.known))
        for place, (parent, node, label) in enumerate(
            zip(chain.nodes, chain.nodes[1:], chain.known, strict=False)
        ):
            if label is not None and node not in seen:
                batch["parents"][row, place], batch["ranks"][row, place] = parent, label
                seen.add(node)
    return batch
