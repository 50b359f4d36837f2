"""The answers of many subsets of the traces of one search, by any rule, without a tree for each of them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.reading.budgets import answer_of, verdicts_of
from restmcts.evaluation.reading.posterior_subsets import chances
from restmcts.evaluation.reading.traces import Counts, Numbers, Traces
from store.answering.constants import AnswerConstants, at, constants_of
from store.events import SearchRecord
from store.records import CEILING
from store.tree import Node, Tree

_TIE = 1e-12


def _score(node: Node) -> float:
    return 0.0 if node.score is None else node.score


def _log_probability(tree: Tree, node: Node) -> float:
    return sum(-inf if step.logprob is None else step.logprob for step in tree.steps(node.id))


Weight = Callable[[Tree, Node], float]

Vote = Callable[[Node, AnswerConstants], float]

VOTES: dict[str, Vote] = {
    "majority": lambda node, constants: 1.0,
    "value-vote": lambda node, constants: node.value,
    "calibrated-vote": lambda node, constants: max(0.0, at(constants.vote, node.value)),
}
"""Answer rules by which every trace has a vote: how much it weighs, whatever other traces there are."""

BEST: dict[str, Weight] = {
    "first": lambda tree, node: 0.0,
    "best-value": lambda tree, node: node.value,
    "best-last": lambda tree, node: _score(node),
    "best-minimum": lambda tree, node: min(map(_score, tree.path(node.id)), default=0.0),
    "best-product": lambda tree, node: prod(map(_score, tree.path(node.id))) if node.depth else 0.0,
    "best-likelihood": _log_probability,
}
"""Answer rules that choose the trace with the largest figure, and the earliest of equals."""


class SubsetReader:
    """Reads the answers of the first traces of each order.

    Args:
        order: (orders, traces).
        counts: how many traces of each order each budget pays for: (orders, budgets).
    """

    def __init__(self, record: SearchRecord, traces: Traces, order: Counts, counts: Counts) -> None:
        self._traces = traces
        self._order = order
        self._counts = counts
        self._rank = np.argsort(order, axis=1)
        self._known = verdicts_of(traces.tree)
        self._constants = constants_of(record.header.settings)
        self._stopped = traces.tree.stopped
        leaves = traces.leaves
        self._answers = [leaf.answer if leaf.finished else None for leaf in leaves]
        self._right = np.array([*(self._verdict(answer) for answer in self._answers), 0.0])

    def verdicts(self, rule: str, whole: NDArray[np.bool_]) -> Numbers:
        """1 for right, 0 for wrong, nan without a verdict: (orders, budgets)."""
        if rule == CEILING:
            return self._right[self._best(self._known_right)]
        if rule in BEST:
            found = self._right[self._best(BEST[rule])]
        elif rule in VOTES and not self._traces.nested:
            found = self._right[self._voted(VOTES[rule])]
        elif rule == "posterior-vote" and not self._traces.nested:
            found = self._right[self._by_posterior()]
        else:
            found = self._replayed(rule)
        if self._traces.last and self._stopped is not None:
            found[:, whole] = self._verdict(self._stopped.answer)
        return found

    def _verdict(self, answer: str | None) -> float:
        right = self._known.get(answer or "", False)
        return np.nan if right is None else float(right)

    def _known_right(self, tree: Tree, leaf: Node) -> float:
        """Right solutions come first, and those without a verdict before wrong ones."""
        right = self._verdict(leaf.answer)
        return 1.0 if np.isnan(right) else 2.0 * right

    def _figures(self, weight: Weight) -> Numbers:
        """The figure of each trace, nan for one without an answer."""
        figures = np.full(len(self._answers), np.nan)
        for number, leaf in enumerate(self._traces.leaves):
            if self._answers[number] is not None:
                figures[number] = weight(self._traces.tree, leaf)
        return figures

    def _best(self, weight: Weight) -> Counts:
        """The trace with the largest figure, -1 for none: (orders, budgets)."""
        figures = self._figures(weight)
        answered = ~np.isnan(figures)
        places = np.full(len(figures), -1)
        places[answered] = np.unique(figures[answered], return_inverse=True)[1]
        inside = np.arange(len(figures)) < self._counts[:, :, None]
        ranked = np.where(inside, places[self._order][:, None, :], -1)
        if not ranked.shape[2]:
            return np.full(self._counts.shape, -1)
        best = ranked.argmax(axis=2)
        chosen = np.take_along_axis(self._order, best, axis=1)
        return np.where(ranked.max(axis=2) < 0, -1, chosen)

    def _voted(self, vote: Vote) -> Counts:
        """The first trace of the answer with the most votes, -1 for none: (orders, budgets)."""
        figures = self._figures(lambda tree, leaf: vote(leaf, self._constants))
        inside = self._inside()
        return self._most(inside, inside * np.nan_to_num(figures))

    def _by_posterior(self) -> Counts:
        """The first trace of the answer that is most likely right, -1 for none: (orders, budgets)."""
        paths, tree = self._traces.paths, self._traces.tree
        passed = np.zeros((len(paths), len(tree.nodes)))
        for trace, path in enumerate(paths):
            passed[trace, [0, *path]] = 1.0
        inside = self._inside()
        flat = inside.reshape(-1, len(paths))
        ends = np.array([leaf.id for leaf in self._traces.leaves], dtype=np.int64)
        found = chances(tree, flat @ passed, self._constants)[:, ends]
        # A solution that several traces of the subset found counts once.
        together = flat @ (ends[:, None] == ends)
        weights: Numbers = flat * found / np.maximum(1.0, together)
        return self._most(inside, weights.reshape(inside.shape))

    def _inside(self) -> Numbers:
        """1 for the traces that each budget pays for: (orders, budgets, traces)."""
        found: Numbers = (self._rank[:, None, :] < self._counts[:, :, None]).astype(np.float64)
        return found

    def _most(self, inside: Numbers, weights: Numbers) -> Counts:
        """The first trace of the answer with the largest sum of weights, -1 for none: (orders, budgets).

        Args:
            inside: which traces vote: (orders, budgets, traces).
            weights: those of their votes, of the same shape.
        """
        answered = [trace for trace, answer in enumerate(self._answers) if answer is not None]
        if not answered:
            return np.full(self._counts.shape, -1)
        numbers: dict[str | None, int] = {}
        group = np.array([numbers.setdefault(self._answers[t], len(numbers)) for t in answered])
        votes = np.zeros((len(self._answers), len(numbers)))
        votes[answered, group] = 1.0
        totals = np.where(inside @ votes > 0, weights @ votes, -inf)
        most = totals.max(axis=2, keepdims=True)
        with np.errstate(invalid="ignore"):
            tied = totals >= most - _TIE * np.maximum(1.0, np.abs(most))
        earliest = np.stack(
            [self._rank[:, votes[:, number] > 0].min(axis=1) for number in numbers.values()], axis=1
        )
        first = np.where(tied, earliest[:, None, :], len(votes)).min(axis=2)
        chosen = np.take_along_axis(self._order, np.minimum(first, len(votes) - 1), axis=1)
        return np.where(np.isneginf(most[:, :, 0]), -1, chosen)

    def _replayed(self, rule: str) -> Numbers:
        """The verdicts of any rule, by answering the tree of the first traces of each order."""
        found = np.zeros(self._counts.shape)
        for row, (order, counts) in enumerate(zip(self._order, self._counts, strict=True)):
            growing, done = _Growing(self._traces), 0
            for place in np.argsort(counts, kind="stable"):
                for trace in order[done : counts[place]]:
                    growing.add(int(trace))
                done = int(counts[place])
                found[row, place] = self._verdict(answer_of(growing.tree(), rule, self._constants))
        return found


class _Growing:
    """The tree of some of the traces of a search, which join it one by one; nothing is compared as text."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._nodes = [Node(0, None, 0, None)]
        self._numbers = {0: 0}
        self._ends: list[int] = []

    def add(self, trace: int) -> None:
        """Let a trace join, with the values and the verdict that its nodes have."""
        nodes, numbers = self._nodes, self._numbers
        current = nodes[0]
        for place in self._traces.paths[trace]:
            number = numbers.setdefault(place, len(nodes))
            if number == len(nodes):
                stored = self._traces.tree.nodes[place]
                new = Node(number, current.id, stored.depth, stored.step, score=stored.score)
                new.value = stored.value
                nodes.append(new)
                current.children.append(number)
                current.expanded = True
            current = nodes[number]
            current.samples += 1
        end = self._traces.leaf(self._traces.paths[trace])
        if end.critiqued and end.id:
            current.critiqued, current.finished, current.answer = True, end.finished, end.answer
        self._ends.append(current.id)

    def tree(self) -> Tree:
        """The tree of the traces that have joined."""
        return Tree(self._nodes, traces={0: self._ends})
