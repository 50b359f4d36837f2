"""The constants of answer rules: fitted once for a policy and a value model, and stored with each search."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, get_args

from store.errors import StoreError

Curve = tuple[tuple[float, float], ...]
"""A piecewise linear function: points (x, y) by rising x, constant outside of them; empty: the identity."""

StepValues = Literal["score", "ratio"]
"""The value of a step alone: that of its partial solution, or that divided by the one before."""

Probabilities = Literal["auto", "logprob", "share", "mean-logprob"]
"""Where the probability of a step among its siblings comes from, see :mod:`store.answering.posterior`."""


@dataclass(frozen=True, slots=True)
class AnswerConstants:
    """The constants of answer rules.

    Attributes:
        policy: the exponent of the policy's probability of a step (alpha); 0 leaves the policy out.
        value: the weight of the log-odds of the step's value (beta).
        bias: what is added for a step that was drawn (gamma).
        step_values: the value of a step alone. ``ratio`` where values of partial solutions are products.
        probabilities: where the probability of a step comes from.
        vote: the weight of a vote by the value of the solution, for ``calibrated-vote``.
        confidence: the probability that an answer is right by the confidence that the rule gives it, by rule.
    """

    policy: float = 1.0
    value: float = 0.5
    bias: float = 0.75
    step_values: StepValues = "score"
    probabilities: Probabilities = "auto"
    vote: Curve = ()
    confidence: Mapping[str, Curve] = field(default_factory=dict)

    def calibrated(self, rule: str, confidence: float) -> float:
        """The probability, 0 to 1, that an answer by ``rule`` with this confidence is right."""
        return at(self.confidence.get(rule, ()), confidence)


DEFAULTS = AnswerConstants()


def at(curve: Curve, x: float) -> float:
    """The value of a piecewise linear function at ``x``; that of its nearest end outside of its points."""
    if not curve:
        return x
    place = bisect_right(curve, x, key=lambda point: point[0])
    if place in (0, len(curve)):
        return curve[min(place, len(curve) - 1)][1]
    (left, low), (right, high) = curve[place - 1], curve[place]
    return low + (high - low) * (x - left) / (right - left)


def constants_of(settings: Mapping[str, Any]) -> AnswerConstants:
    """The constants that a stored search was answered with.

    Args:
        settings: those of its :class:`~store.events.Header`.

    Raises:
        StoreError: they are damaged.
    """
    row = settings.get("constants")
    if row is None:
        return DEFAULTS
    try:
        return from_row(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the constants of the answer rules are damaged: {error}") from None


def from_row(row: Mapping[str, Any]) -> AnswerConstants:
    """The constants that :func:`to_row` wrote; what is left out or None has its default.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is no such row.
    """
    known: dict[str, Any] = {name: value for name, value in row.items() if value is not None}
    for name in {"policy", "value", "bias"} & known.keys():
        known[name] = _number(known[name])
    for name, kind in (("step_values", StepValues), ("probabilities", Probabilities)):
        if name in known and known[name] not in get_args(kind):
            raise ValueError(f"unknown {name}")
    if "vote" in known:
        known["vote"] = _curve(known["vote"])
    if "confidence" in known:
        known["confidence"] = {str(rule): _curve(points) for rule, points in known["confidence"].items()}
    return AnswerConstants(**known)


def to_row(constants: AnswerConstants) -> dict[str, Any]:
    """The constants as numbers, texts, lists and dictionaries."""
    return {
        "policy": constants.policy,
        "value": constants.value,
        "bias": constants.bias,
        "step_values": constants.step_values,
        "probabilities": constants.probabilities,
        "vote": [list(point) for point in constants.vote],
        "confidence": {
            rule: [list(point) for point in curve] for rule, curve in constants.confidence.items()
        },
    }


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("a constant is no finite number")
    return number


def _curve(points: Any) -> Curve:
    curve = tuple((_number(x), _number(y)) for x, y in points)
    if any(right[0] <= left[0] for left, right in pairwise(curve)):
        raise ValueError("the points of a curve do not rise")
    return curve
