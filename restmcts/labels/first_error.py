"""Step labels up to the first error, as in PRM800K (arXiv 2305.20050)."""

from __future__ import annotations

from restmcts.labels.estimation import any_correct
from restmcts.labels.registry import LabelRule, Labels
from store.tree import Tree


def first_error(tree: Tree) -> Labels:
    """1 for a step on a verified-correct trace, 0 for the first step that leaves every such trace.

    Steps after an error say nothing about themselves and have no label; nor has the root, nor a tree
    without a correct trace, nor a step below which nothing was verified. A value model trained on these
    labels judges single steps; the product over a partial solution is then the chance that all of it is
    right (``models.value_aggregation = "product"``).
    """
    hits = any_correct(tree)
    good = {node.id for node in tree.nodes[1:] if hits[node.id] == 1.0}
    labels: list[float | None] = [None] * len(tree.nodes)
    for node in tree.nodes[1:]:
        if node.id in good:
            labels[node.id] = 1.0
        elif good and hits[node.id] is not None and (node.parent == 0 or node.parent in good):
            labels[node.id] = 0.0
    return tuple(labels)


FIRST_ERROR = LabelRule(first_error, "1 on correct traces, 0 for the first step that leaves them all")
