"""The nodes behind the chains that a value model learns from: which are shared, which are siblings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from store.records import ValueSample


def node_numbers(samples: Sequence[ValueSample]) -> list[tuple[int, ...]]:
    """For each chain the numbers of its nodes, the problem first, then one a step.

    Equal partial solutions of a problem have the same number, whatever chain or tree they are in.
    """
    numbers: dict[tuple[object, ...], int] = {}
    chains = []
    for sample in samples:
        node = numbers.setdefault((sample.problem, sample.question), len(numbers))
        nodes = [node]
        for step in sample.steps:
            node = numbers.setdefault((node, step.text, step.tokens, step.ended), len(numbers))
            nodes.append(node)
        chains.append(tuple(nodes))
    return chains


def unique_labels(samples: Sequence[ValueSample]) -> list[ValueSample]:
    """The same chains, with each label kept in the first chain that has the node, and None elsewhere.

    Chains of one tree share their first steps; without this a node would weigh as much as it has leaves.
    A node is one of a tree: equal steps in two trees of a problem are two nodes. Samples without a tree
    (worked solutions and their perturbed steps) are taken as one tree a problem.
    """
    seen: set[tuple[str, int]] = set()
    unique: list[ValueSample] = []
    for sample, nodes in zip(samples, node_numbers(samples), strict=True):
        labels: list[float | None] = []
        for node, label in zip(nodes[1:], sample.labels, strict=True):
            new = {(tree, node) for tree in sample.trees or ("",)} - seen
            labels.append(label if new else None)
            seen |= new if label is not None else set()
        unique.append(replace(sample, labels=tuple(labels)))
    return unique


class Siblings:
    """The chains that part from a chain at a step, where one of the two next steps is the better one.

    Args:
        chains: the numbers of the nodes of each chain, as :func:`node_numbers` gives them.
        labels: the labels of the steps of each chain.
    """

    def __init__(self, chains: Sequence[Sequence[int]], labels: Sequence[Sequence[float | None]]) -> None:
        self._chains = chains
        self._labels = labels
        below: dict[int, dict[int, tuple[float, list[int]]]] = defaultdict(dict)
        for number, (nodes, on_chain) in enumerate(zip(chains, labels, strict=True)):
            for parent, node, label in zip(nodes, nodes[1:], on_chain, strict=False):
                if label is not None:
                    below[parent].setdefault(node, (label, []))[1].append(number)
        self._below = {parent: children for parent, children in below.items() if len(children) > 1}

    def partner(self, chain: int, placed: set[int], random: Random) -> int | None:
        """A chain that is not ``placed``, drawn where it parts from ``chain``; None where there is none."""
        nodes, labels = self._chains[chain], self._labels[chain]
        places = [
            place for place, label in enumerate(labels) if label is not None and nodes[place] in self._below
        ]
        random.shuffle(places)
        for place in places:
            free = [
                other
                for node, (label, through) in self._below[nodes[place]].items()
                if node != nodes[place + 1] and label != labels[place]
                for other in through
                if other not in placed
            ]
            if free:
                return random.choice(free)
        return None

    def side_by_side(self, order: Sequence[int], random: Random) -> list[int]:
        """The chains of ``order``, each once, most of them next to one that parts from it."""
        placed: set[int] = set()
        arranged: list[int] = []
        for chain in order:
            if chain in placed:
                continue
            placed.add(chain)
            arranged.append(chain)
            partner = self.partner(chain, placed, random)
            if partner is not None:
                placed.add(partner)
                arranged.append(partner)
        return arranged
