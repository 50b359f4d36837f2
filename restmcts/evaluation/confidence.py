"""How sure a search is of its answer, as far as its tree tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from store.answers import sample_shares
from store.tree import Node, Tree

UNSEEN: Final = 0.5
"""What speaks for answers that were not sampled, in votes: one vote alone is no proof."""


def _samples(tree: Tree) -> Callable[[Node], float]:
    return lambda node: node.samples


def _valued_samples(tree: Tree) -> Callable[[Node], float]:
    shares = sample_shares(tree)
    ends = sum(node.samples for node in tree.nodes if node.finished and node.answer is not None)
    return lambda node: ends * shares[node.id] * node.value


VOTES: Final[Mapping[str, Callable[[Tree], Callable[[Node], float]]]] = {
    "majority": _samples,
    "value-vote": _valued_samples,
}
"""The votes of a finished solution by the answer rules that have a confidence."""


def has_confidence(rule: str) -> bool:
    """Whether an answer rule says how sure it is."""
    return rule in VOTES


def confidence(tree: Tree, rule: str, constants: Mapping[str, Any] | None = None) -> float:
    """How sure a rule is of its answer, 0 to 1; 0 where there is no answer.

    It is the share of the votes that the winner has, with half a vote for what was not sampled: it grows with
    the number of votes that agree. A vote weighted by value counts as much as its solution is worth, so that
    a solution of small value convinces nobody, alone or not. It ranks searches and is no probability.

    Args:
        tree: a search at any moment.
        rule: an answer rule for which :func:`has_confidence` is true.
        constants: those of the answer rule; votes have none.
    """
    weight = VOTES[rule](tree)
    votes: dict[str, float] = defaultdict(float)
    for node in tree.nodes:
        if node.finished and node.answer is not None:
            votes[node.answer] += weight(node)
    return max(votes.values(), default=0.0) / (sum(votes.values()) + UNSEEN)
