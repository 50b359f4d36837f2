"""Quality values that follow from how likely each step is right (paper, Section 3.1, Equations 1 and 2).

The quality value v_k of ReST-MCTS* is a statement about all steps up to k, and it follows from two simpler
things: where the first error is, and how many steps were missing to a correct answer. With h_j the chance
that step j is the first error, given that all steps before are right, and s_k = (1 - h_1) ... (1 - h_k) the
chance that the first k steps are right,

    v_k = s_k g_k + sum over j <= k of s_{j-1} h_j W[j, k]

where g_k is the quality value if all k steps are right, and W[j, k] the one if the first error is at j. A
right step rises by (1 - v) / d, with d the distance of the step to a correct answer, itself included; a step
from the first error on falls by (1 - v) / d with the distance of the last right step. On a chain of K right
steps the distances are K, K - 1, ... 1, and g_k = k / K.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

TOLERANCE = 1e-6
"""How far a label may lie from the quality value that its chain implies."""

Chain = Sequence[float | None]
"""The labels of a chain from the first step to the last; None from some step on, where nothing is known."""


def right_steps(labels: Chain) -> int:
    """How many steps of a chain come before the first error, by its quality values: those that rise."""
    before, count = 0.0, 0
    for label in labels:
        if label is None or not (label > before or label == before == 1.0):
            break
        before, count = label, count + 1
    return count


def distances(labels: Chain) -> tuple[int, ...]:
    """The distance of each step to a correct answer, itself included, were it and all steps before it right.

    The quality values of right steps tell theirs: d = (1 - v_before) / (v - v_before). From the first error
    on, and where labels are missing, the end of the chain is taken for the answer; without any labels so is
    that of all steps: K, K - 1, ... 1.
    """
    known, before = [], 0.0
    for label in labels[: right_steps(labels)]:
        assert label is not None
        known.append(1 if label == before else max(1, round((1 - before) / (label - before))))
        before = label
    return (*known, *range(len(labels) - len(known), 0, -1))


def quality_values(right: Sequence[float], steps_left: Sequence[int]) -> tuple[float, ...]:
    """The quality value of each prefix of a chain.

    Args:
        right: for each step, the chance in [0, 1] that it is right, given that all steps before are right.
        steps_left: the :func:`distances` of the steps.

    Where each chance is 0 or 1 the values are those of the rule ``rest-mcts`` to the last digit.
    """
    rising = _rising(steps_left)
    before = [1.0, *accumulate(right, lambda one, two: one * two)]
    values = [chance * value for chance, value in zip(before[1:], rising, strict=True)]
    for first, chance in enumerate(right):
        weight = before[first] * (1 - chance)
        if weight == 0.0:
            continue
        value = rising[first - 1] if first else 0.0
        # The first step's own distance may stand in for the root's: from 0 no value can fall.
        distance = steps_left[max(0, first - 1)]
        for place in range(first, len(right)):
            value = max(0.0, (1 - value) * -1 / distance + value)
            values[place] += weight * value
    return tuple(values)


def _rising(steps_left: Sequence[int]) -> list[float]:
    """The quality values of a chain whose steps are all right."""
    values = []
    value = 0.0
    for distance in steps_left:
        value = max(0.0, (1 - value) / distance + value)
        values.append(value)
    return values


def are_quality_values(labels: Chain) -> bool:
    """Whether the labels of a chain are quality values of the rule ``rest-mcts``, up to rounding."""
    last = next((place for place, label in enumerate(labels) if label is None), len(labels))
    if any(label is not None for label in labels[last:]):
        return False
    count = right_steps(labels)
    right = [1.0] * count + [0.0] * (len(labels) - count)
    implied = quality_values(right, distances(labels))
    return all(
        abs(value - label) <= TOLERANCE
        for value, label in zip(implied, labels, strict=True)
        if label is not None
    )


def are_fractions(labels: Chain) -> bool:
    """Whether any label lies between 0 and 1."""
    return any(label not in (None, 0.0, 1.0) for label in labels)
