"""Fitting the constants of answer rules for a value model, on trees that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from restmcts.aggregations import AGGREGATIONS, Aggregation
from restmcts.evaluation.answer_fitting import Fitted, KnownTree, fit_constants
from restmcts.labels import any_correct
from restmcts.problems.problem import Problem
from restmcts.samples.trees import VerifiedTree
from restmcts.training.settings import Device
from restmcts.training.values.held_out import predict_values
from store.records import ValueSample
from store.tree import Tree

MOST_TREES = 400
"""Trees that constants are fitted on: the latest ones."""

RightStep = Callable[[Problem, str], bool | None]
"""What a data set knows about a partial solution (:class:`restmcts.problems.registry.DataSet`)."""


def fit_answers(
    folder: Path,
    trees: Iterable[VerifiedTree],
    problems: Mapping[str, Problem],
    right_step: RightStep,
    *,
    aggregation: Aggregation,
    max_length: int,
    device: Device = "auto",
) -> Fitted:
    """Fit the constants of the answer rules for the value model in ``folder``.

    Args:
        folder: the value model, which values all partial solutions of the trees.
        trees: verified trees of problems that the value model was not trained on.
        problems: the problems by their names.
        right_step: what the data set knows about a partial solution; where it knows nothing, one is right
            where a verified-correct solution goes through it.
        aggregation: how the value of a partial solution follows from those of its steps.
        max_length: the longest chain that is read, in tokens.
        device: where to compute.

    Raises:
        InputError: the folder holds no value model that can be used.
    """
    chosen = list(trees)[-MOST_TREES:]
    values = tree_values(folder, chosen, aggregation=aggregation, max_length=max_length, device=device)
    known = [
        KnownTree(record, row, right_nodes(tree, problems.get(record.header.problem), right_step))
        for (record, tree), row in zip(chosen, values, strict=True)
    ]
    return fit_constants(known, "ratio" if aggregation == "product" else "score")


def right_nodes(tree: Tree, problem: Problem | None, right_step: RightStep) -> list[bool | None]:
    """Whether each partial solution of a tree is right; None where nobody knows."""
    found: list[bool | None] = []
    for node, hit in zip(tree.nodes, any_correct(tree), strict=True):
        known = None if problem is None or node.parent is None else right_step(problem, tree.text(node.id))
        found.append(known if known is not None or hit is None else hit == 1.0)
    return found


def tree_values(
    folder: Path,
    trees: Sequence[VerifiedTree],
    *,
    aggregation: Aggregation,
    max_length: int,
    device: Device,
) -> list[list[float | None]]:
    """What a value model says about the partial solutions of trees, by the numbers of their nodes.

    None for the root, and for what is too long.
    """
    leaves = [
        (place, node.id)
        for place, (_, tree) in enumerate(trees)
        for node in tree.nodes[1:]
        if not node.children
    ]
    chains = [_chain(trees[place], leaf) for place, leaf in leaves]
    predictions = predict_values(folder, chains, max_length=max_length, device=device) if chains else []
    combine = AGGREGATIONS[aggregation]
    found: list[list[float | None]] = [[None] * len(tree.nodes) for _, tree in trees]
    for (place, leaf), values in zip(leaves, predictions, strict=True):
        if values is not None:
            for node in trees[place][1].path(leaf):
                found[place][node.id] = combine(values[: node.depth])
    return found


def _chain(tree: VerifiedTree, leaf: int) -> ValueSample:
    record, nodes = tree
    steps = tuple(nodes.steps(leaf))
    header = record.header
    return ValueSample(header.problem, header.question, steps, (None,) * len(steps), (header.id,))
