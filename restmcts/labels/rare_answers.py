"""Correct answers that wrong steps have led to by luck."""

from __future__ import annotations

from dataclasses import replace

from store.tree import Tree


def without_rare_answers(tree: Tree, least: int) -> Tree:
    """The tree, in which a correct answer counts as unverified unless ``least`` samples gave its trace.

    Where errors can cancel out, many different wrong traces reach the right answer, each of them rarely,
    while the right one is sampled again and again. Only for trees of independent traces: a guided search
    does not draw a finished trace again.
    """
    nodes = [
        replace(node, correct=None) if node.correct and node.samples < least else node for node in tree.nodes
    ]
    return replace(tree, nodes=nodes)
