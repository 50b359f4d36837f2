"""The trees that models learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from restmcts.labels import without_rare_answers
from restmcts.problems.splits import held_out
from store.events import SearchRecord
from store.tree import Tree, fold

VerifiedTree = tuple[SearchRecord, Tree]
"""A search, and its tree with the verdicts that count."""


def verified_trees(records: Iterable[SearchRecord], least_samples: int) -> Iterator[VerifiedTree]:
    """Each search with its tree, in which correct traces of fewer samples count as unverified."""
    for record in records:
        tree = fold(record.events)
        yield record, tree if least_samples == 1 else without_rare_answers(tree, least_samples)


def to_judge_by(trees: Iterable[VerifiedTree]) -> Iterator[VerifiedTree]:
    """The trees of held-out problems, by which value models are judged."""
    return (pair for pair in trees if held_out(pair[0].header.problem))
