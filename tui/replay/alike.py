"""What two search trees of one problem have in common, and where their solutions part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Alike:
    """Two trees after their last events.

    Attributes:
        b_of_a: for nodes of the first tree, the node of the second to which the same steps lead.
        a_of_b: the same the other way round.
        steps: how many first steps the solutions that were answered with have in common.
        apart_a: the first node on the first solution that the second has not; None where there is no such
            node, or no answer on either side.
        apart_b: the same of the second solution.
    """

    b_of_a: dict[int, int]
    a_of_b: dict[int, int]
    steps: int
    apart_a: int | None
    apart_b: int | None


def alike(a: Tree, b: Tree) -> Alike:
    """Match two trees by the texts of their steps; space around a step does not count."""
    pairs = _matched(a, b)
    way_a, way_b = _answered(a), _answered(b)
    both = min(len(way_a), len(way_b))
    steps = next((at for at in range(both) if _text(way_a[at]) != _text(way_b[at])), both)
    known = bool(way_a and way_b)
    return Alike(
        b_of_a=dict(pairs),
        a_of_b={node_b: node_a for node_a, node_b in pairs},
        steps=steps,
        apart_a=way_a[steps].id if known and steps < len(way_a) else None,
        apart_b=way_b[steps].id if known and steps < len(way_b) else None,
    )


def _matched(a: Tree, b: Tree) -> list[tuple[int, int]]:
    pairs = [(0, 0)]
    for node_a, node_b in pairs:  # grows while it is gone through
        children = {_text(child): child.id for child in reversed(b.children(node_b))}
        for child in a.children(node_a):
            other = children.pop(_text(child), None)
            if other is not None:
                pairs.append((child.id, other))
    return pairs


def _answered(tree: Tree) -> list[Node]:
    """The nodes of the solution that the search answered with; empty without one."""
    ended = tree.stopped
    return [] if ended is None or ended.node is None else tree.path(ended.node)


def _text(node: Node) -> str:
    return "" if node.step is None else node.step.text.strip()
