"""How label rules agree about stored trees; no model is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from restmcts.evaluation.values.value_report import NEAR
from restmcts.labels import Labels
from restmcts.samples.trees import verified_trees
from store.events import SearchRecord
from store.tree import Tree


@dataclass(frozen=True, slots=True)
class Agreement:
    """The labels of a rule beside those of another one, on the same trees.

    ``steps``: how many steps the rule labels; ``shared``: how many of them the other rule labels too.
    ``near``: the share of shared steps whose labels differ by no more than 0.1; ``difference``: the mean of
    the rule's label less the other's; ``correlation``: that of the two labels. None where nothing is shared,
    and the last one also where all labels of a rule are equal.
    """

    rule: str
    steps: int
    shared: int
    near: float | None = None
    difference: float | None = None
    correlation: float | None = None


def label_agreement(
    records: Iterable[SearchRecord],
    rules: Mapping[str, Callable[[Tree], Labels]],
    other: Callable[[Tree], Labels],
    least_samples: int,
) -> list[Agreement]:
    """Label searches that have an oracle answer by each of the rules, and by ``other`` to compare with.

    ``least_samples``: as in :func:`restmcts.samples.trees.verified_trees`.
    """
    steps: dict[str, list[tuple[float, float | None]]] = {rule: [] for rule in rules}
    graded = (record for record in records if record.header.oracle is not None)
    for _, tree in verified_trees(graded, least_samples):
        theirs = other(tree)
        for rule, label in rules.items():
            pairs = zip(label(tree), theirs, strict=True)
            steps[rule] += [(mine, their) for mine, their in pairs if mine is not None]
    return [_agreement(rule, labelled) for rule, labelled in steps.items()]


def _agreement(rule: str, labelled: list[tuple[float, float | None]]) -> Agreement:
    shared = np.array([pair for pair in labelled if pair[1] is not None], dtype=np.float64)
    if not len(shared):
        return Agreement(rule, len(labelled), 0)
    difference = shared[:, 0] - shared[:, 1]
    varied = bool((np.ptp(shared, axis=0) > 0).all())
    return Agreement(
        rule,
        len(labelled),
        len(shared),
        float((np.abs(difference) <= NEAR + 1e-9).mean()),
        float(difference.mean()),
        float(np.corrcoef(shared.T)[0, 1]) if varied else None,
    )
