"""Labels of an outcome reward model: whether the answer of a whole solution is right (arXiv 2110.14168)."""

from __future__ import annotations

from restmcts.labels.registry import LabelRule, Labels
from store.tree import Tree


def outcome(tree: Tree) -> Labels:
    """1 or 0 for the last step of a finished solution by its verdict; no other step has a label.

    A finished solution without a verdict has no label, nor has the root.
    """
    verdicts = [None if node.correct is None else float(node.correct) for node in tree.nodes]
    return (None, *verdicts[1:])


OUTCOME = LabelRule(
    outcome,
    "1 or 0 for the last step of a finished solution, as an outcome reward model (ORM) learns",
    needs="no solution has a verdict",
)
