"""Whether predicted values mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.values.resampling import Array, Resampling, interval, regression


@dataclass(frozen=True, slots=True)
class Bin:
    """The steps whose predicted value lies in [``low``, ``high``)."""

    low: float
    high: float
    count: int
    predicted: float
    label: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether predicted values mean what they say.

    ``error`` is the expected calibration error: the mean over steps of the distance between the mean
    predicted value and the mean label of their bin. ``slope`` and ``intercept`` are of the regression of
    the label on the predicted value (1 and 0 when calibrated).
    """

    bins: tuple[Bin, ...]
    error: Interval
    slope: Interval
    intercept: Interval


def calibrate(
    predicted: Array, label: Array, members: NDArray[np.int_], drawn: Resampling, bins: int
) -> Calibration:
    """The calibration of ``predicted`` values, in so many bins of equal width."""
    slope, intercept, _ = regression(predicted, label, members, drawn)
    place = np.clip((predicted * bins).astype(int), 0, bins - 1)
    inside = (place[:, None] == np.arange(bins)).astype(np.float64)
    columns = np.concatenate([inside, inside * predicted[:, None], inside * label[:, None]], axis=1)
    totals = drawn.sums(columns, members)
    count, said, meant = totals[:, :bins], totals[:, bins : 2 * bins], totals[:, 2 * bins :]
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(said - meant).sum(axis=1) / count.sum(axis=1)
    table = tuple(
        Bin(
            number / bins,
            (number + 1) / bins,
            int(count[0, number]),
            float(said[0, number] / count[0, number]),
            float(meant[0, number] / count[0, number]),
        )
        for number in range(bins)
        if count[0, number]
    )
    return Calibration(table, interval(error), interval(slope), interval(intercept))
