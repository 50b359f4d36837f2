"""Accuracy against what it costs, with bands, from the stored searches of one method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from restmcts.errors import InputError
from restmcts.evaluation.means import Problem
from restmcts.evaluation.reading.budgets import AXES, Axis
from restmcts.evaluation.reading.flops import flops_axis
from restmcts.evaluation.reading.outcomes import Reading, outcomes
from restmcts.evaluation.reading.usage import Usage
from restmcts.evaluation.statistics import Interval
from store.events import SearchRecord

AXIS_NAMES = (*AXES, "flops")
"""What a curve may be drawn against."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a method reaches where every problem may take ``x``.

    Attributes:
        x: the budget of a problem, on the axis of the curve.
        outcomes: for each problem with a verdict 1, 0, or a share of orders.
        accuracy: their mean with its 95 % interval.
        usage: what a problem took, on average; at most ``x`` on the axis.
    """

    x: float
    outcomes: Mapping[Problem, float]
    accuracy: Interval
    usage: Usage


def curve(
    records: Collection[SearchRecord],
    axis: str,
    grid: Sequence[float],
    reading: Callable[[SearchRecord, Sequence[float]], Reading],
) -> dict[str, list[CurvePoint]]:
    """The accuracy at every budget of a grid, from searches that were made once.

    Args:
        records: the verified searches of one choice of a method.
        axis: one of ``AXIS_NAMES``.
        grid: the budgets.
        reading: says how a search is read at budgets; its answer rules are those of the curves.

    Returns:
        For each answer rule a point for each budget, from the smallest to the largest. Beyond what the
        searches were given a curve stays level: they do not know what they would have done.

    Raises:
        InputError: there is no such axis; or the searches do not say what a token costs, or differ in it.
    """
    counted, wanted = axis_of(records, axis), sorted(set(grid))
    found = outcomes(records, lambda record: replace(reading(record, wanted), choice="", axis=counted))
    curves: dict[str, list[CurvePoint]] = {}
    for (_, rule, x), cell in found.items():
        assert x is not None
        curves.setdefault(rule, []).append(CurvePoint(x, cell.shares, cell.accuracy, cell.usage))
    return curves


def axis_of(records: Iterable[SearchRecord], name: str) -> Axis:
    """The axis of a name; that of FLOPs is as the searches say.

    Raises:
        InputError: there is no such axis; or the searches do not say what a token costs, or differ in it.
    """
    if name in AXES:
        return AXES[name]
    if name == "seconds":
        raise InputError("no curve against seconds: a stored search does not know when an event happened")
    if name != "flops":
        raise InputError(f"unknown axis {name!r}: choose from {', '.join(AXIS_NAMES)}")
    found = {flops_axis(record.header.settings) for record in records}
    (axis,) = found if len(found) == 1 else (None,)
    if axis is None:
        raise InputError(
            "no curve against FLOPs: the searches do not say what a token of their models costs, or differ in"
            " it"
        )
    return axis
