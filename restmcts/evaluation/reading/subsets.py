"""Accuracy at every budget from one pass of independent traces: nested subsets, averaged over orders.

The traces of Self-Consistency and Best-of-N might as well have come in any other order. So the outcome of a
problem at a budget is the mean verdict over many orders of its stored traces, each read up to the budget: an
estimate with less noise than that of the order in which they happened to come, from the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial, inf, prod

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.reading.budgets import Axis, answer_of, ascending, verdicts_of
from restmcts.evaluation.reading.ceiling import CEILING
from restmcts.evaluation.reading.usage import OutcomeAt, Usage
from restmcts.seeds import derive_seed
from store.answer_constants import constants_of
from store.events import (
    Cost,
    Critiqued,
    Extended,
    SearchRecord,
    Stopped,
    Valued,
    Verified,
)
from store.tree import Node, Tree

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

_ROUNDING = 1e-12
"""Costs that are divided among nodes may add up to a little more than they were, relative to that."""

_TIE = 1e-12


def _score(node: Node) -> float:
    return 0.0 if node.score is None else node.score


def _log_probability(tree: Tree, node: Node) -> float:
    return sum(-inf if step.logprob is None else step.logprob for step in tree.steps(node.id))


Weight = Callable[[Tree, Node], float]

VOTES: dict[str, Weight] = {
    "majority": lambda tree, node: 1.0,
    "value-vote": lambda tree, node: node.value,
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


def orders_of(traces: int, orders: int, seed: int, *, first: int = 0, last: bool = False) -> Counts:
    """Orders of so many traces: all of them where there are no more than ``orders``, else random ones.

    Random ones come as rotations of a few, so that each trace stands equally often in each place.

    Args:
        traces: how many traces there are.
        orders: the number of orders.
        seed: of the random orders.
        first: so many traces at the beginning keep their places.
        last: whether the last trace keeps its place.

    Returns:
        The numbers of traces: (orders, traces).
    """
    moved = np.arange(first, max(first, traces - last))
    if factorial(min(len(moved), 20)) <= orders:
        rows = np.array(list(permutations(moved)), dtype=np.int64)
    else:
        random = np.random.default_rng(seed)
        rows = np.empty((0, len(moved)), dtype=np.int64)
        while len(rows) < orders:
            number = min(len(moved), orders - len(rows))
            starts = np.arange(number) * len(moved) // number
            turned = (np.arange(len(moved)) + starts[:, None]) % len(moved)
            rows = np.concatenate([rows, random.permutation(moved)[turned]])
    before = np.tile(np.arange(min(first, traces)), (len(rows), 1))
    after = np.tile(np.arange(max(first, traces - last), traces), (len(rows), 1))
    found: Counts = np.concatenate([before, rows, after], axis=1).astype(np.int64)
    return found


def outcomes_over_orders(
    record: SearchRecord,
    traces: Traces,
    budgets: Sequence[float | None],
    rules: Sequence[str],
    axis: Axis,
    *,
    orders: int,
    first: int = 0,
) -> dict[str, list[OutcomeAt]]:
    """The share of orders of the traces in which the answer is right, at each budget and by each rule.

    An order is read up to the first trace that does not fit the budget. Ties are broken as the rules break
    them: the answer that came first in the order wins. So a tie gives a share even where all traces are read.
    Orders whose answer has no verdict are left out.

    Args:
        record: a verified search.
        traces: its traces.
        budgets: in what ``axis`` counts, in any order; None: all traces.
        rules: names of answer rules, or ``CEILING`` for whether any of the traces is right.
        axis: what a budget counts.
        orders: the number of orders; where there are no more than that, all of them are read.
        first: so many traces at the beginning keep their places.

    Returns:
        For each rule its outcomes, from the smallest budget to the largest.
    """
    wanted = ascending(budgets)
    limits = np.array([inf if budget is None else float(budget) for budget in wanted])
    seed = derive_seed(record.header.id, record.header.seed, "orders")
    order = orders_of(len(traces.paths), orders, seed, first=first, last=traces.last)
    costs = _costs(traces, order)
    weights = np.array(axis.weights, dtype=np.float64)
    allowed = limits * (1 + _ROUNDING)
    read = (costs @ weights)[:, :, None] <= allowed
    counts: Counts = read.sum(axis=1)
    whole = traces.total @ weights <= allowed
    used = _used(traces, costs, counts, whole)
    seconds = [record.result.seconds if ended else None for ended in whole]
    usages = [replace(Usage(*row), seconds=each) for row, each in zip(used.tolist(), seconds, strict=True)]
    reader = _Reader(record, traces, order, counts)
    found = {}
    for rule in rules:
        shares = [_mean(column) for column in reader.verdicts(rule, whole).T]
        found[rule] = list(map(OutcomeAt, wanted, shares, usages))
    return found


def _costs(traces: Traces, order: Counts) -> Numbers:
    """What each order has taken after each of its traces: (orders, traces, fields of a cost)."""
    costs = traces.own[order]
    rows = np.arange(len(order))
    rank = np.argsort(order, axis=1)
    visitors: dict[int, list[int]] = {node: [] for node in traces.shared}
    for number, path in enumerate(traces.paths):
        for node in path:
            if node in visitors:
                visitors[node].append(number)
    for node, numbers in visitors.items():
        if numbers:
            costs[rows, rank[:, numbers].min(axis=1)] += traces.shared[node]
    summed: Numbers = np.cumsum(costs, axis=1)
    return summed


def _used(traces: Traces, costs: Numbers, counts: Counts, whole: NDArray[np.bool_]) -> Numbers:
    """What is taken at each budget, a mean over orders: (budgets, fields of a cost)."""
    with_nothing = np.concatenate([np.zeros((len(costs), 1, 5)), costs], axis=1)
    taken = np.take_along_axis(with_nothing, counts[:, :, None], axis=1).mean(axis=0)
    used: Numbers = np.where(whole[:, None], traces.total, taken)
    return used


def _mean(verdicts: Numbers) -> float | None:
    known = verdicts[~np.isnan(verdicts)]
    return float(known.mean()) if len(known) else None


class _Reader:
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
        self._known = verdicts_of(record)
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

    def _voted(self, weight: Weight) -> Counts:
        """The first trace of the answer with the most votes, -1 for none: (orders, budgets)."""
        figures = self._figures(weight)
        answered = np.flatnonzero(~np.isnan(figures))
        if not len(answered):
            return np.full(self._counts.shape, -1)
        numbers: dict[str | None, int] = {}
        group = np.array([numbers.setdefault(self._answers[t], len(numbers)) for t in answered])
        votes = np.zeros((len(answered), len(numbers)))
        votes[np.arange(len(answered)), group] = 1.0
        rank = self._rank[:, answered]
        inside = (rank[:, None, :] < self._counts[:, :, None]).astype(np.float64)
        totals = np.where(inside @ votes > 0, inside @ (votes * figures[answered][:, None]), -inf)
        most = totals.max(axis=2, keepdims=True)
        with np.errstate(invalid="ignore"):
            tied = totals >= most - _TIE * np.maximum(1.0, np.abs(most))
        earliest = np.full((len(rank), votes.shape[1]), len(figures))
        for number in numbers.values():
            earliest[:, number] = rank[:, group == number].min(axis=1)
        first = np.where(tied, earliest[:, None, :], len(figures)).min(axis=2)
        chosen = np.take_along_axis(self._order, np.minimum(first, len(figures) - 1), axis=1)
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
