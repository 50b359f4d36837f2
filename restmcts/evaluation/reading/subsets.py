"""Accuracy at every budget from one pass of independent traces: nested subsets, averaged over orders.

The traces of Self-Consistency and Best-of-N might as well have come in any other order. So the outcome of a
problem at a budget is the mean verdict over many orders of its stored traces, each read up to the budget: an
estimate with less noise than that of the order in which they happened to come, from the same tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import factorial, inf

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.reading.budgets import Axis, ascending
from restmcts.evaluation.reading.subset_answers import SubsetReader
from restmcts.evaluation.reading.traces import Counts, Numbers, Traces
from restmcts.evaluation.reading.usage import OutcomeAt, Usage
from restmcts.seeds import derive_seed
from store.events import SearchRecord

_ROUNDING = 1e-12
"""Costs that are divided among nodes may add up to a little more than they were, relative to that."""


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
    reader = SubsetReader(record, traces, order, counts)
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
