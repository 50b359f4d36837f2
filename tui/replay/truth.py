"""What the verdicts at the end of a search say about its nodes: the right way, and where it was left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.tree import Tree


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about the nodes of a tree once its answers were verified.

    Attributes:
        verdicts: for each finished node with a verdict, whether its answer is right.
        right: the nodes from which a right solution was found, such solutions included: the right way.
        mistakes: the first nodes beside the right way that led to wrong solutions and to no right one. A tree
            without a right solution has none.
    """

    verdicts: dict[int, bool]
    right: frozenset[int]
    mistakes: frozenset[int]


def truth_of(final: Tree) -> Truth:
    """The truth about a tree, from the tree after the last event of its search."""
    verdicts = {node.id: node.correct for node in final.nodes if node.finished and node.correct is not None}
    right = _with_ancestors(final, (node for node, correct in verdicts.items() if correct))
    wrong = _with_ancestors(final, (node for node, correct in verdicts.items() if not correct))
    mistakes = {node for node in wrong - right if final.nodes[node].parent in right}
    return Truth(verdicts, frozenset(right), frozenset(mistakes))


def _with_ancestors(tree: Tree, nodes: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        for above in tree.ancestors(node):
            if above.id in found:
                break
            found.add(above.id)
    return found
