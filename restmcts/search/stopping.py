"""When sampling may stop: the posterior probability that an answer leads (Adaptive-Consistency).

Aggarwal et al., "Let's Sample Step by Step", arXiv 2305.11860: with n samples for an answer and m for the
strongest other one, the share of the answer among samples of these two has the posterior Beta(n + 1, m + 1).
The answer leads where this share is above one half.
"""

from __future__ import annotations

from collections import defaultdict
from math import exp, lgamma, log

from store.answering.constants import AnswerConstants
from store.answering.rules import RULES
from store.tree import Tree


def lead_probability(first: float, second: float) -> float:
    """The posterior probability that an answer with the count ``first`` leads one with ``second``.

    ``P(p > 1/2)`` for ``p ~ Beta(first + 1, second + 1)``, for whole counts and for sums of values: one less
    the regularized incomplete beta function at 1/2, by its power series, whose terms are all positive.

    Args:
        first: the count of the answer, at least 0.
        second: the count of the other answer, at least 0.
    """
    if first < second:
        return 1 - lead_probability(second, first)
    a, b = first + 1, second + 1
    term = exp(lgamma(a + b) - lgamma(a + 1) - lgamma(b) - (a + b) * log(2))
    total, n = term, 0
    while term > 1e-18:
        term *= (a + b + n) / (a + 1 + n) / 2
        total += term
        n += 1
    return 1 - total


def answer_counts(tree: Tree, rule: str) -> dict[str, float]:
    """How much speaks for each answer.

    That is the number of its samples. For a rule that reads values, a sample counts as much as its final
    value, 0 to 1: as the vote weighted by value counts it, and never more than a sample.
    """
    counts: dict[str, float] = defaultdict(float)
    for node in tree.finished():
        if node.answer is not None:
            weight = 1.0 if RULES[rule].reads == "nothing" else node.value
            counts[node.answer] += node.samples * weight
    return counts


def traces_needed(tree: Tree, rule: str, confidence: float, constants: AnswerConstants) -> int:
    """How many more traces are needed at least before a search may stop; 0: it may stop now.

    It may where the answer by ``rule`` leads with a posterior probability above ``confidence``. So a search
    by a best trace (Best-of-N) goes on while the vote is for another answer.

    Args:
        tree: the tree of sampled traces.
        rule: the answer rule of the search.
        confidence: between 0 and 1.
        constants: those of the answer rules.
    """
    counts = answer_counts(tree, rule)
    found = RULES[rule].run(tree, constants)
    if found is not None:
        others = max((count for answer, count in counts.items() if answer != found.text), default=0.0)
        if lead_probability(counts[found.text], others) > confidence:
            return 0
    first, second = (*sorted(counts.values(), reverse=True), 0.0, 0.0)[:2]
    more = 1
    while lead_probability(first + more, second) <= confidence:
        more += 1
    return more
