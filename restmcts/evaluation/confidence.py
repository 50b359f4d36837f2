"""How sure a search is of its answer, as far as its tree tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from store.answers import sample_shares
from store.tree import Node, Tree

UNSEEN: Final = 0.5
"""What speaks for answers that were not sampled, in votes: one vote alone is no proof."""


def _samples(tree: Tree) -> tuple[Callable[[Node], float], float]:
    return lambda node: node.samples, 1.0


def _valued_shares(tree: Tree) -> tuple[Callable[[Node], float], float]:
    shares = sample_shares(tree)
    ends = sum(node.samples for node in tree.nodes if node.finished and node.answer is not None)
    return lambda node: shares[node.id] * node.value, float(ends)


VOTES: Final[Mapping[str, Callable[[Tree], tuple[Callable[[Node], float], float]]]] = {
    "majority": _samples,
    "value-vote": _valued_shares,
}
"""What a finished solution weighs by the answer rules that have a confidence, and how many votes make 1."""


def has_confidence(rule: str) -> bool:
    """Whether an answer rule says how sure it is."""
    return rule in VOTES


def confidence(tree: Tree, rule: str, constants: Mapping[str, Any] | None = None) -> float:
    """How sure a rule is of its answer, 0 to 1; see :func:`sure_answer`."""
    return sure_answer(tree, rule, constants)[1]


def sure_answer(
    tree: Tree, rule: str, constants: Mapping[str, Any] | None = None
) -> tuple[str | None, float]:
    """The answer of a rule (:mod:`store.answers`) and how sure it is, 0 to 1; 0 where there is none.

    It is the share of the votes that the winner has, with half a vote for what was not sampled: it grows with
    the number of votes that agree. A vote weighted by value counts as much as its solution is worth, so that
    a solution of small value convinces nobody, alone or not. It ranks searches and is no probability.

    Args:
        tree: a search at any moment.
        rule: an answer rule for which :func:`has_confidence` is true.
        constants: those of the answer rule; votes have none.
    """
    weight, scale = VOTES[rule](tree)
    votes: dict[str, float] = defaultdict(float)
    for node in tree.nodes:
        if node.finished and node.answer is not None:
            votes[node.answer] += weight(node)
    if not votes:
        return None, 0.0
    winner = max(votes, key=votes.__getitem__)
    return winner, scale * votes[winner] / (scale * sum(votes.values()) + UNSEEN)
