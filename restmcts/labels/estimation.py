"""Step labels by Monte-Carlo estimation over the verified answers below a step.

A cheap approximation of MATH-SHEPHERD (arXiv 2312.08935) for any tree: all traces through a step count as
its completions. ``math-shepherd`` reads completions that were sampled from the step.
"""

from __future__ import annotations

from restmcts.labels.registry import LabelRule, Labels
from store.tree import Tree


def correct_share(tree: Tree) -> Labels:
    """Soft estimation: the share of the verified answers below a step that are correct.

    An answer counts once for every sample that gave it. Nodes below which nothing was verified, and the
    root, have no label.
    """
    right, all_ = _verified_below(tree)
    shares = [correct / total if total else None for correct, total in zip(right, all_, strict=True)]
    return (None, *shares[1:])


def share_of_tree(tree: Tree) -> float | None:
    """The share of all verified answers of a tree that are correct; None where nothing was verified."""
    right, all_ = _verified_below(tree)
    return right[0] / all_[0] if all_[0] else None


def any_correct(tree: Tree) -> Labels:
    """Hard estimation: 1 if any verified answer below a step is correct, 0 if none is."""
    right, all_ = _verified_below(tree)
    hits = [float(correct > 0) if total else None for correct, total in zip(right, all_, strict=True)]
    return (None, *hits[1:])


def _verified_below(tree: Tree) -> tuple[list[int], list[int]]:
    """For every node, the samples at or below it that were verified as correct, and as anything."""
    right = [0] * len(tree.nodes)
    all_ = [0] * len(tree.nodes)
    for node in reversed(tree.nodes):
        if node.correct is not None:
            samples = max(1, node.samples)
            all_[node.id] += samples
            right[node.id] += samples if node.correct else 0
        if node.parent is not None:
            right[node.parent] += right[node.id]
            all_[node.parent] += all_[node.id]
    return right, all_


CORRECT_SHARE = LabelRule(
    correct_share,
    "share of the correct among the verified answers below a step (from the leaves of any tree)",
)
ANY_CORRECT = LabelRule(
    any_correct, "1 where any verified answer below a step is correct, else 0 (from the leaves of any tree)"
)
