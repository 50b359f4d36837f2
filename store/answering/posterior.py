"""How likely each next step and each solution of a tree is the right one, from policy and value together.

Where a partial solution is right and exactly one next step is right too, the children that were drawn compete
with the steps that were not drawn yet. A child c has the weight

    W_c = exp(policy · log p_c + value · logit v_c + bias)

with p_c the probability of the step, v_c the value of the step alone, and ``policy``, ``value`` and ``bias``
from :class:`store.answering.constants.AnswerConstants`. The steps that were not drawn have

    W_0 = max(.02, 1 - Σ p_c)^policy

so that q_c = W_c / (W_0 + Σ W) and u = W_0 / (W_0 + Σ W) add up to 1. The posterior of a solution is the
product of q over its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from store.answering.constants import AnswerConstants, Probabilities
from store.events import Step
from store.tree import Node, Tree

LEAST_LEFT = 0.02
"""The least share of the policy that counts as not drawn yet."""

LEAST_VALUE, MOST_VALUE = 0.003, 0.997
"""The values of steps are clipped to these, as no value model is surer than that."""

LONGEST_SHORT_STEP = 8
"""Mean tokens of a step up to which ``probabilities="auto"`` takes log-probabilities as they are."""

LEAST_LOGPROB = -50.0
"""Log-probabilities are clipped here: products of smaller ones are 0 in any case."""

LARGEST_EXPONENT = 700.0
"""Weights are clipped at the exponential of this, which is still a number."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How a partial solution divides among its next steps.

    Attributes:
        left: the share of the policy that was not drawn yet, ``LEAST_LEFT`` to 1.
        undrawn: the chance that the right next step was not drawn yet (u); 1 without children.
        children: the chance of each child (q), in the order of the children.
    """

    left: float
    undrawn: float
    children: tuple[float, ...]


NO_CHILDREN = Shares(1.0, 1.0, ())


def shares(tree: Tree, node: Node, constants: AnswerConstants) -> Shares:
    """How ``node`` divides among its children and the steps that were not drawn; the sum is 1."""
    children = tree.children(node.id)
    if not children:
        return NO_CHILDREN
    probabilities = step_probabilities(children, constants)
    left = max(LEAST_LEFT, 1.0 - sum(probabilities))
    own = [step_value(tree, child, constants) for child in children]
    weights = [weight(p, v, constants) for p, v in zip(probabilities, own, strict=True)]
    rest = left**constants.policy
    total = rest + sum(weights)
    return Shares(left, rest / total, tuple(one / total for one in weights))


def weight(probability: float, value: float | None, constants: AnswerConstants) -> float:
    """The weight W of a step; without a value there is no term for it."""
    exponent = constants.policy * max(LEAST_LOGPROB, log(probability) if probability else LEAST_LOGPROB)
    if value is not None:
        exponent += constants.value * log_odds(value)
    return exp(min(LARGEST_EXPONENT, exponent + constants.bias))


def log_odds(value: float) -> float:
    """The log-odds of a value, clipped to [``LEAST_VALUE``, ``MOST_VALUE``]."""
    clipped = min(MOST_VALUE, max(LEAST_VALUE, value))
    return log(clipped / (1.0 - clipped))


def step_value(tree: Tree, node: Node, constants: AnswerConstants) -> float | None:
    """The value of the last step of ``node`` alone, 0 to 1; None where the node has no score."""
    if node.score is None or node.parent is None or constants.step_values == "score":
        return node.score
    before = tree.nodes[node.parent].score
    return min(1.0, node.score / before) if before else node.score


def step_probabilities(children: Sequence[Node], constants: AnswerConstants) -> list[float]:
    """The probability of each of the children of one node among all next steps, drawn or not.

    ``logprob``: the policy's own. ``share``: the share of the samples, where one more sample is imagined that
    is none of the children. ``mean-logprob``: the children together as by ``share``, divided among them by
    the mean probability of a token (the exponential of the mean log-probability).
    """
    source = probability_source(children, constants)
    if source == "share":
        return _sample_shares(children)
    steps = [child.step for child in children if child.step is not None]
    logprobs = [step_log_probability(step) for step in steps]
    if source == "logprob":
        return list(map(exp, logprobs))
    means = [exp(one / max(1, step_length(step))) for one, step in zip(logprobs, steps, strict=True)]
    drawn = sum(_sample_shares(children))
    return [drawn * one / sum(means) for one in means]


def probability_source(children: Sequence[Node], constants: AnswerConstants) -> Probabilities:
    """Where the probabilities of the children of one node come from: not ``auto``.

    ``auto`` is ``logprob`` for steps of at most ``LONGEST_SHORT_STEP`` tokens in the mean, else ``share``: of
    a long step there are so many wordings that the probability of one says little. Where the log-probability
    of a child is unknown, shares are taken.
    """
    steps = [child.step for child in children if child.step is not None]
    if any(step.logprob is None for step in steps):
        return "share"
    if constants.probabilities != "auto":
        return constants.probabilities
    return "logprob" if fmean(map(step_length, steps)) <= LONGEST_SHORT_STEP else "share"


def _sample_shares(children: Sequence[Node]) -> list[float]:
    total = 1 + sum(child.samples for child in children)
    return [child.samples / total for child in children]


def step_log_probability(step: Step) -> float:
    """The log-probability of a step, ``LEAST_LOGPROB`` to 0; 0 where it is unknown."""
    return max(LEAST_LOGPROB, min(0.0, step.logprob or 0.0))


def step_length(step: Step) -> int:
    """The tokens of a step; its words where the tokens are not known."""
    return len(step.tokens) or len(step.text.split())


def posterior(tree: Tree, constants: AnswerConstants) -> list[float]:
    """For each node, the chance that its partial solution is right; see :func:`products`."""
    return products(tree, lambda node: shares(tree, node, constants))


def products(tree: Tree, divide: Callable[[Node], Shares]) -> list[float]:
    """For each node, the product of the shares on its path, given how nodes divide.

    A finished solution has no right continuation: what lies below one has the chance 0. So the chances of the
    finished nodes add up to at most 1.
    """
    found = [1.0] * len(tree.nodes)
    for node in tree.nodes:
        if node.children:
            here = 0.0 if node.finished else found[node.id]
            for number, share in zip(node.children, divide(node).children, strict=True):
                found[number] = here * share
    return found
