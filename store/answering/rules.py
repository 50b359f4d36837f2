"""How a tree is turned into one answer, at any moment of the search.

Each rule is a pure function of the tree, so that a stored search can be answered again by another rule,
or cut at a smaller budget. Answers are compared as they are stored: normalized when they were found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Literal

from store.answering.constants import AnswerConstants, at
from store.answering.posterior import posterior
from store.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a search.

    Attributes:
        text: the answer.
        node: the number of the node that it comes from.
        confidence: how sure the rule is of it, 0 to 1; None for rules that cannot say. It is a probability
            where the constants have a curve for the rule.
    """

    text: str
    node: int
    confidence: float | None = None


Weight = Callable[[Node], float]
"""How much a finished node of one tree speaks for its answer."""


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """A rule that turns a tree into one answer.

    Attributes:
        run: the pure function from a tree and the constants of the rules to the answer; None for a tree
            without an answer.
        reads: the values that the rule reads: ``nothing``, those of finished nodes (``leaf``), or those of
            all nodes from the root to a finished one (``path``).
        fitted: whether the answer, not its confidence alone, depends on the constants.
        sure: whether the rule says how sure it is of its answer.
    """

    run: Callable[[Tree, AnswerConstants], Answer | None]
    reads: Literal["nothing", "leaf", "path"]
    fitted: bool = False
    sure: bool = False


def answered(tree: Tree) -> list[Node]:
    """The nodes that are finished and have an answer, in the order in which they joined."""
    return [node for node in tree.nodes if node.finished and node.answer is not None]


def _best(tree: Tree, key: Weight) -> Answer | None:
    nodes = answered(tree)
    if not nodes:
        return None
    best = max(nodes, key=key)
    assert best.answer is not None
    return Answer(best.answer, best.id)


UNSEEN = 0.5
"""What speaks for answers that were not sampled, in votes: one vote alone is no proof."""


def _vote(
    tree: Tree,
    weight: Weight,
    rule: str,
    constants: AnswerConstants,
    votes: float | None = None,
) -> Answer | None:
    """The answer with the largest sum of weights.

    Its confidence is its share of all votes and of half a vote for what was not sampled, so that it grows
    with the number of votes that agree.

    Args:
        votes: how many votes a weight of 1 is; None: weights are probabilities, and their sum is the
            confidence.
    """
    totals: dict[str, float] = defaultdict(float)
    heaviest: dict[str, tuple[float, int]] = {}
    for node in answered(tree):
        assert node.answer is not None
        share = weight(node)
        totals[node.answer] += share
        if node.answer not in heaviest or share > heaviest[node.answer][0]:
            heaviest[node.answer] = (share, node.id)
    if not totals:
        return None
    answer = max(totals, key=totals.__getitem__)
    confidence = totals[answer]
    if votes is not None:
        confidence = votes * totals[answer] / (votes * sum(totals.values()) + UNSEEN)
    return Answer(answer, heaviest[answer][1], constants.calibrated(rule, min(1.0, confidence)))


def _sampled(tree: Tree) -> float:
    """How many samples ended with an answer."""
    return float(sum(node.samples for node in answered(tree)))


def _score(node: Node) -> float:
    return 0.0 if node.score is None else node.score


def _scores(tree: Tree, node: Node) -> list[float]:
    # The root has no step; a critic may still call it finished.
    return [_score(member) for member in tree.path(node.id)] or [0.0]


def first(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The answer of the first finished node: for methods that make one trace."""
    return _best(tree, lambda node: -node.id)


def best_value(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The finished node with the largest V; the earliest of equals."""
    return _best(tree, WEIGHTS["best-value"](tree, constants))


def best_last(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The finished node whose last step the value model scored highest."""
    return _best(tree, _score)


def best_minimum(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The finished node whose worst step has the highest score."""
    return _best(tree, lambda node: min(_scores(tree, node)))


def best_product(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The finished node with the largest product of step scores."""
    return _best(tree, lambda node: prod(_scores(tree, node)))


def best_likelihood(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The finished node whose steps the policy finds most likely together; no value model takes part.

    A solution with a step of unknown probability comes after all others.
    """
    return _best(tree, lambda node: _log_probability(tree, node))


def _log_probability(tree: Tree, node: Node) -> float:
    return sum(-inf if step.logprob is None else step.logprob for step in tree.steps(node.id))


def majority(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The answer that most samples gave (self-consistency)."""
    return _vote(tree, WEIGHTS["majority"](tree, constants), "majority", constants, votes=1.0)


def value_vote(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The answer with the largest sum of V, each weighted by the share of samples that lead there.

    For independent traces that is the sum of V over the traces that gave the answer. In the confidence, a
    solution of value V is V votes, so that one of small value convinces nobody.
    """
    weight = WEIGHTS["value-vote"](tree, constants)
    return _vote(tree, weight, "value-vote", constants, votes=_sampled(tree))


def _by_shared_value(tree: Tree, constants: AnswerConstants) -> Weight:
    shares = sample_shares(tree)
    return lambda node: shares[node.id] * node.value


def calibrated_vote(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """As :func:`value_vote`, with a weight that was fitted to the value on other trees."""
    weight = WEIGHTS["calibrated-vote"](tree, constants)
    return _vote(tree, weight, "calibrated-vote", constants, votes=_sampled(tree))


def _by_calibrated_value(tree: Tree, constants: AnswerConstants) -> Weight:
    shares = sample_shares(tree)
    return lambda node: shares[node.id] * max(0.0, at(constants.vote, node.value))


def posterior_vote(tree: Tree, constants: AnswerConstants) -> Answer | None:
    """The answer that is most likely right by policy and value together (:mod:`store.answering.posterior`).

    The confidence is the sum of the posterior of the solutions that give the answer.
    """
    return vote_by_chances(tree, posterior(tree, constants), constants)


def vote_by_chances(tree: Tree, chances: Sequence[float], constants: AnswerConstants) -> Answer | None:
    """What :func:`posterior_vote` answers, from the chances of the nodes that are right."""
    return _vote(tree, lambda node: chances[node.id], "posterior-vote", constants)


def _by_posterior(tree: Tree, constants: AnswerConstants) -> Weight:
    chances = posterior(tree, constants)
    return lambda node: chances[node.id]


def sample_shares(tree: Tree) -> list[float]:
    """For each node, the chance to come to it from the root when each step is drawn as often as sampled.

    An estimate of the policy's own probability of the partial solution, however unevenly a search sampled
    its nodes: the product over the path of a node's samples by those of all children of its parent.
    """
    shares = [1.0] * len(tree.nodes)
    for node in tree.nodes:
        total = sum(child.samples for child in tree.children(node.id))
        for child in tree.children(node.id):
            shares[child.id] = shares[node.id] * child.samples / total if total else 0.0
    return shares


WEIGHTS: dict[str, Callable[[Tree, AnswerConstants], Weight]] = {
    "best-value": lambda tree, constants: lambda node: node.value,
    "majority": lambda tree, constants: lambda node: node.samples,
    "value-vote": _by_shared_value,
    "calibrated-vote": _by_calibrated_value,
    "posterior-vote": _by_posterior,
}
"""By rule, from a tree and the constants to the weights of its finished nodes: votes add them up."""

RULES: dict[str, AnswerRule] = {
    "first": AnswerRule(first, "nothing"),
    "best-value": AnswerRule(best_value, "leaf"),
    "best-last": AnswerRule(best_last, "leaf"),
    "best-minimum": AnswerRule(best_minimum, "path"),
    "best-product": AnswerRule(best_product, "path"),
    "best-likelihood": AnswerRule(best_likelihood, "nothing"),
    "majority": AnswerRule(majority, "nothing", sure=True),
    "value-vote": AnswerRule(value_vote, "leaf", sure=True),
    "calibrated-vote": AnswerRule(calibrated_vote, "leaf", fitted=True, sure=True),
    "posterior-vote": AnswerRule(posterior_vote, "path", fitted=True, sure=True),
}
"""The rules by the name that a :class:`store.events.Header` gives them."""

SURE = tuple(name for name, rule in RULES.items() if rule.sure)
"""The rules that say how sure they are."""


def sure_answer(tree: Tree, rule: str, constants: AnswerConstants) -> tuple[str | None, float]:
    """The answer of one of the rules ``SURE`` and its confidence; 0 where there is none."""
    found = RULES[rule].run(tree, constants)
    return (None, 0.0) if found is None else (found.text, found.confidence or 0.0)
