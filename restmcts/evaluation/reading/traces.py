"""The traces of a search that sampled them independently, and what each of them took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.events import Cost, Critiqued, Extended, SearchRecord, Stopped, Valued, Verified
from store.tree import Node, Tree

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces of a stored search, in the order of sampling.

    Attributes:
        tree: the whole tree, with verdicts.
        paths: the nodes of each trace, first step to last.
        own: what each trace took whatever comes before it (traces, fields of a cost).
        shared: by node, what the first trace that comes to it takes: it is valued and judged once.
        total: what the whole search took, samples that were cut short included.
        last: whether the last trace reached the gate, so that it is the last one in every order.
    """

    tree: Tree
    paths: list[list[int]]
    own: Numbers
    shared: dict[int, Numbers]
    total: Numbers
    last: bool

    @property
    def leaves(self) -> list[Node]:
        """The last node of each trace: the root for a trace without steps."""
        return list(map(self.leaf, self.paths))

    def leaf(self, path: Sequence[int]) -> Node:
        """The last node of a path."""
        return self.tree.nodes[path[-1] if path else 0]

    @property
    def nested(self) -> bool:
        """Whether a trace ends where another one goes on, so that votes depend on each other."""
        return any(leaf.id and leaf.children for leaf in self.leaves)


def traces_of(record: SearchRecord) -> Traces | None:
    """The traces of a search; None where it did more than to sample whole traces from the root.

    Prompts and calls belong to requests, each of which samples several traces. Every trace is given the mean.
    """
    tree, total = Tree(), np.zeros(5)
    paths: list[list[int]] = []
    own: list[Numbers] = []
    shared: dict[int, Numbers] = {}
    for event in record.events:
        touched = tree.apply(event)
        cost = _vector(event.cost)
        total += cost
        if isinstance(event, Extended) and event.node == 0:
            paths.append(touched)
            own.append(cost)
        elif isinstance(event, Critiqued | Valued):
            for node, part in zip(touched, _divided(tree, touched, cost), strict=True):
                shared[node] = shared.get(node, 0.0) + part
        elif not isinstance(event, Stopped | Verified):
            return None
    costs = np.array(own).reshape(-1, 5)
    if len(costs):
        for column in (2, 4):
            costs[:, column] = costs[:, column].mean()
    paid = {node: cost for node, cost in shared.items() if cost.any()}
    return Traces(tree, paths, costs, paid, total, record.result.reason == "gate")


def _vector(cost: Cost) -> Numbers:
    return np.array([cost.policy, cost.critic, cost.prompt, cost.value, cost.calls], dtype=np.float64)


def _divided(tree: Tree, nodes: Sequence[int], cost: Numbers) -> Numbers:
    """The cost of a request about several nodes, divided among them: (nodes, fields of a cost).

    What a value model reads for two nodes differs by the tokens of the steps in which they differ; the rest
    is divided evenly.
    """
    parts = np.tile(cost / max(1, len(nodes)), (len(nodes), 1))
    if len(nodes) > 1 and cost[3]:
        lengths = np.array([sum(len(step.tokens) for step in tree.steps(node)) for node in nodes])
        read = parts[:, 3] + lengths - lengths.mean()
        if read.min() >= 0:
            parts[:, 3] = read
    return parts
