"""The posterior of solutions in many subsets of the traces of one search at once.

For each subset the figures are those of :func:`store.answering.posterior.posterior` on the tree of its
traces: the same formulas over arrays, as fifty orders at ten budgets are 500 trees a search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.answering.constants import AnswerConstants
from store.answering.posterior import (
    LARGEST_EXPONENT,
    LEAST_LEFT,
    LEAST_LOGPROB,
    LONGEST_SHORT_STEP,
    log_odds,
    step_length,
    step_log_probability,
    step_value,
)
from store.tree import Tree

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Steps:
    """The nodes of a tree but its root, brother beside brother: (nodes).

    Attributes:
        nodes: their numbers.
        starts: where the children of each parent begin.
        parent: for each node, the number of its parent among those of ``starts``.
        logprob: the log-probability of its step, clipped; nan where it is unknown.
        length: the tokens of its step.
        odds: the log-odds of its value alone; 0 where it has none.
    """

    nodes: Counts
    starts: Counts
    parent: Counts
    logprob: Numbers
    length: Numbers
    odds: Numbers

    def summed(self, figures: Numbers) -> Numbers:
        """For each node, the sum over it and its brothers: (subsets, nodes)."""
        sums: Numbers = np.add.reduceat(figures, self.starts, axis=1)[:, self.parent]
        return sums


def chances(tree: Tree, samples: Numbers, constants: AnswerConstants) -> Numbers:
    """For each node, the chance that its partial solution is right, in each subset of the traces.

    Args:
        tree: the tree of all traces, none of which goes on where another one ends.
        samples: how many traces of each subset pass each node: (subsets, nodes).
        constants: those of the answer rules.

    Returns:
        1 for the root and 0 for what no trace of the subset passes: (subsets, nodes).
    """
    found = np.zeros(samples.shape)
    found[:, 0] = 1.0
    if len(tree.nodes) > 1:
        steps = _steps(tree, constants)
        parents = np.array([tree.nodes[node].parent for node in steps.nodes])
        depths = np.array([tree.nodes[node].depth for node in steps.nodes])
        shares = _shares(steps, samples[:, steps.nodes], constants)
        for depth in range(1, depths.max() + 1):
            here = np.flatnonzero(depths == depth)
            found[:, steps.nodes[here]] = found[:, parents[here]] * shares[:, here]
    return found


def _steps(tree: Tree, constants: AnswerConstants) -> _Steps:
    families = [tree.children(node.id) for node in tree.nodes if node.children]
    nodes = [child for family in families for child in family]
    sizes = np.array(list(map(len, families)))
    values = [step_value(tree, node, constants) for node in nodes]
    steps = [node.step for node in nodes if node.step is not None]
    logprobs = [np.nan if step.logprob is None else step_log_probability(step) for step in steps]
    return _Steps(
        nodes=np.array([node.id for node in nodes]),
        starts=np.cumsum(sizes) - sizes,
        parent=np.repeat(np.arange(len(families)), sizes),
        logprob=np.array(logprobs),
        length=np.array(list(map(step_length, steps)), dtype=np.float64),
        odds=np.array([0.0 if value is None else log_odds(value) for value in values]),
    )


def _shares(steps: _Steps, samples: Numbers, constants: AnswerConstants) -> Numbers:
    """What :func:`store.answering.posterior.shares` says for each child: (subsets, nodes)."""
    drawn = samples > 0
    probability = _probabilities(steps, samples, drawn, constants)
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(probability), LEAST_LOGPROB)
    exponent = constants.policy * logs + constants.value * steps.odds + constants.bias
    weight = np.where(drawn, np.exp(np.minimum(exponent, LARGEST_EXPONENT)), 0.0)
    left = np.maximum(LEAST_LEFT, 1.0 - steps.summed(probability))
    shares: Numbers = weight / (left**constants.policy + steps.summed(weight))
    return shares


def _probabilities(
    steps: _Steps, samples: Numbers, drawn: NDArray[np.bool_], constants: AnswerConstants
) -> Numbers:
    """What :func:`store.answering.posterior.step_probabilities` says; 0 for a child that is not drawn."""
    by_share = samples / (1.0 + steps.summed(samples))
    known = ~steps.summed((drawn & np.isnan(steps.logprob)).astype(np.float64)).astype(bool)
    logprob = np.nan_to_num(steps.logprob, nan=LEAST_LOGPROB)
    by_policy = np.where(drawn, np.exp(logprob), 0.0)
    if constants.probabilities == "share":
        return by_share
    if constants.probabilities == "logprob":
        return np.where(known, by_policy, by_share)
    if constants.probabilities == "mean-logprob":
        means = np.where(drawn, np.exp(logprob / np.maximum(1.0, steps.length)), 0.0)
        total = np.maximum(steps.summed(means), np.finfo(np.float64).tiny)
        return np.where(known, steps.summed(by_share) * means / total, by_share)
    children = np.maximum(1.0, steps.summed(drawn.astype(np.float64)))
    short = steps.summed(drawn * steps.length) / children <= LONGEST_SHORT_STEP
    return np.where(known & short, by_policy, by_share)
