"""How the value of a partial solution follows from the values at the ends of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from statistics import fmean
from typing import Final, Literal

Aggregation = Literal["last", "minimum", "product", "mean"]
"""The names of all aggregations."""

AGGREGATIONS: Final[Mapping[Aggregation, Callable[[Sequence[float]], float]]] = {
    "last": lambda values: values[-1],
    "minimum": min,
    "product": lambda values: round(prod(values), 6),
    "mean": lambda values: round(fmean(values), 6),
}
"""From the values at the ends of the steps, first to last, to the value of the partial solution.

There is at least one value; values are in [0, 1], and so is the result.
"""
