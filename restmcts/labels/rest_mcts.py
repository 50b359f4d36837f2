"""The quality values of ReST-MCTS* (paper, Section 3.1, Equations 1 and 2)."""

from __future__ import annotations

from restmcts.labels.registry import LabelRule, Labels
from store.tree import Tree


def rest_mcts(tree: Tree) -> Labels:
    """Infer a quality value for every step from the verified answers of a tree.

    With ``d`` the distance to a correct answer, this step included, and ``v_0 = 0``:
    ``v = max(0, v_parent + (1 - v_parent) / d)`` on a verified-correct trace,
    ``v = max(0, v_parent - (1 - v_parent) / d)`` off it, where a step off every correct trace takes
    ``d`` from its nearest ancestor that has one. On a correct chain of K steps this is ``k/K``.

    The root, nodes below which nothing was verified, and all nodes of a tree without a correct trace
    have no label.
    """
    distance = _distance_on_correct_traces(tree)
    off_trace = _distance_off_traces(tree, distance)
    values: list[float | None] = [None] * len(tree.nodes)
    for node in tree.nodes[1:]:
        assert node.parent is not None
        before = 0.0 if node.parent == 0 else values[node.parent]
        if before is None:
            continue
        if node.id in distance:
            values[node.id] = max(0.0, (1 - before) / distance[node.id] + before)
        elif node.id in off_trace:
            values[node.id] = max(0.0, (1 - before) * -1 / off_trace[node.id] + before)
    return tuple(values)


def _distance_on_correct_traces(tree: Tree) -> dict[int, int]:
    """1 for a correct leaf, one more than the nearest child for every node above one."""
    distance: dict[int, int] = {}
    for node in reversed(tree.nodes):
        below = [distance[child] for child in node.children if child in distance]
        if node.correct:
            distance[node.id] = 1
        elif below:
            distance[node.id] = min(below) + 1
    return distance


def _distance_off_traces(tree: Tree, distance: dict[int, int]) -> dict[int, int]:
    """What the nodes of wrong traces take from their nearest ancestor on a correct trace."""
    borrowed: dict[int, int] = {}
    for leaf in tree.nodes:
        if leaf.correct is not False or leaf.id in distance:
            continue
        branch: list[int] = []
        for node in tree.ancestors(leaf.id):
            if node.id in distance:
                borrowed.update(dict.fromkeys(branch, distance[node.id]))
                break
            branch.append(node.id)
    return borrowed


REST_MCTS = LabelRule(rest_mcts, "quality values of the paper, by the distance to a correct answer")
