"""How good is a value model? Ranking, calibration, first errors and length bias, with intervals.

The input is one :class:`Judged` a step and one :class:`JudgedChain` a chain, so that the figures need no
model. Intervals are 95 % bootstrap intervals over groups (problems), because the steps of one problem are
not independent of each other.

Beside the value model stands the control that any claim for one needs: how well the bare log-probability
of the steps under the policy tells good partial solutions from bad ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from restmcts.evaluation.statistics import Interval
from restmcts.evaluation.values.calibration import Calibration, calibrate
from restmcts.evaluation.values.first_errors import FirstErrors, first_errors
from restmcts.evaluation.values.judged import Judged, JudgedChain
from restmcts.evaluation.values.resampling import Array, Resampling, interval, regression

MINIMUM = 10
"""So many good and so many bad steps there must be before an AUC or a length bias is given."""

NEAR = 0.1
"""A value this close to its label counts as right, as in the paper."""

ALMOST_CHANCE = 0.55
"""A value model with an AUC up to this ranks steps about as well as chance."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well good and bad steps of one depth (0: of all depths) are told apart.

    The AUC is the probability that a good step is placed above a bad one, equal places counting half.
    ``likelihood_sum`` and ``likelihood_mean`` rank by the log-probability of the steps so far, and by
    the same divided by their number. An estimate is None where there are fewer than
    :data:`MINIMUM` good or bad steps, or no log-probabilities.
    """

    depth: int
    good: int
    bad: int
    value: Interval | None
    likelihood_sum: Interval | None
    likelihood_mean: Interval | None

    @property
    def at_chance(self) -> bool | None:
        """Whether the value model cannot be told from chance, or hardly; None where there is no AUC."""
        found = self.value
        return None if found is None else found.value <= ALMOST_CHANCE or found.low <= 0.5


@dataclass(frozen=True, slots=True)
class LengthBias:
    """The correlation of a score with the number of steps, among good and among bad partial solutions.

    0 where length plays no part. None with too few steps, or where all scores or all lengths are equal.
    """

    good: Interval | None
    bad: Interval | None


@dataclass(frozen=True, slots=True)
class ValueReport:
    """The quality of a value model on held-out trees.

    ``near`` is the share of values that miss their label by no more than :data:`NEAR`. The figures of
    ``quality`` compare the quality values that follow from the chances of single steps with those of the
    paper. ``length`` is the bias of the distance between value and label, for where labels rise from step to
    step, values have to; ``first_error`` is None without chains of both kinds. The names that begin with
    ``likelihood`` are those of the control.
    """

    steps: int
    groups: int
    overall: Ranking
    depths: tuple[Ranking, ...]
    calibration: Calibration
    calibration_errors: tuple[Interval, ...]
    squared_error: Interval
    near: Interval
    quality_squared_error: Interval | None
    quality_near: Interval | None
    length: LengthBias
    likelihood_length: LengthBias
    first_error: FirstErrors | None
    likelihood_first_error: FirstErrors | None

    def metrics(self) -> dict[str, float]:
        """The main figures by name; those that could not be had are left out. ``at_chance`` is 1 or 0."""
        figures = {
            "auc": self.overall.value,
            "likelihood_sum.auc": self.overall.likelihood_sum,
            "likelihood_mean.auc": self.overall.likelihood_mean,
            "calibration_error": self.calibration.error,
            "calibration_slope": self.calibration.slope,
            "calibration_intercept": self.calibration.intercept,
            "squared_error": self.squared_error,
            "near": self.near,
            "quality.squared_error": self.quality_squared_error,
            "quality.near": self.quality_near,
            "length_bias.good": self.length.good,
            "length_bias.bad": self.length.bad,
            "likelihood_sum.length_bias.good": self.likelihood_length.good,
            "likelihood_sum.length_bias.bad": self.likelihood_length.bad,
        }
        for ranking, error in zip(self.depths, self.calibration_errors, strict=True):
            figures[f"auc.depth_{ranking.depth}"] = ranking.value
            figures[f"likelihood_sum.auc.depth_{ranking.depth}"] = ranking.likelihood_sum
            figures[f"calibration_error.depth_{ranking.depth}"] = error
        found = {name: figure.value for name, figure in figures.items() if figure is not None}
        if self.overall.value is not None:
            found |= {"auc.low": self.overall.value.low, "auc.high": self.overall.value.high}
            found["at_chance"] = float(bool(self.overall.at_chance))
        for control, errors in (("", self.first_error), ("likelihood.", self.likelihood_first_error)):
            if errors is not None:
                found |= {f"{control}first_error.{name}": value for name, value in errors.metrics().items()}
        return {name: value for name, value in found.items() if np.isfinite(value)}


def value_report(
    judged: Sequence[Judged],
    chains: Sequence[JudgedChain] = (),
    *,
    bins: int = 10,
    repeats: int = 1000,
    seed: int = 0,
) -> ValueReport:
    """Figures of a value model from what it said about held-out steps and chains.

    Raises:
        ValueError: ``judged`` is empty.
    """
    if not judged:
        raise ValueError("a value report needs at least one judged step")
    groups = [*(row.group for row in judged), *(chain.group for chain in chains)]
    drawn = Resampling(groups, repeats, seed)
    steps = _Steps.of(judged, drawn)
    by_depth = [(int(depth), steps.where(steps.depth == depth)) for depth in np.unique(steps.depth)]
    error = steps.predicted - steps.label
    implied = steps.where(np.isfinite(steps.derived - steps.quality))
    implied_error = implied.derived - implied.quality
    return ValueReport(
        steps=len(judged),
        groups=len({row.group for row in judged}),
        overall=_ranking(0, steps, drawn),
        depths=tuple(_ranking(depth, some, drawn) for depth, some in by_depth),
        calibration=calibrate(steps.predicted, steps.label, steps.members, drawn, bins),
        calibration_errors=tuple(
            calibrate(some.predicted, some.label, some.members, drawn, bins).error for _, some in by_depth
        ),
        squared_error=_mean(error**2, steps, drawn),
        near=_mean(_near(error), steps, drawn),
        quality_squared_error=_mean(implied_error**2, implied, drawn) if len(implied_error) else None,
        quality_near=_mean(_near(implied_error), implied, drawn) if len(implied_error) else None,
        length=_length_bias(error, steps, drawn),
        likelihood_length=_length_bias(steps.likelihood, steps, drawn),
        first_error=first_errors(chains, lambda chain: chain.scores, drawn),
        likelihood_first_error=first_errors(chains, lambda chain: chain.likelihoods, drawn),
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    """Judged steps as columns; nan where something is not known."""

    predicted: Array
    label: Array
    correct: NDArray[np.bool_]
    depth: Array
    likelihood: Array
    quality: Array
    derived: Array
    members: NDArray[np.int_]

    @classmethod
    def of(cls, judged: Sequence[Judged], drawn: Resampling) -> _Steps:
        def column(values: Iterator[float | None]) -> Array:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

        return cls(
            column(row.predicted for row in judged),
            column(row.label for row in judged),
            np.array([row.correct for row in judged], dtype=bool),
            column(row.depth for row in judged),
            column(row.log_probability for row in judged),
            column(row.quality for row in judged),
            column(row.derived for row in judged),
            drawn.members([row.group for row in judged]),
        )

    def where(self, kept: NDArray[np.bool_]) -> _Steps:
        return _Steps(*(getattr(self, column.name)[kept] for column in fields(self)))


def _ranking(depth: int, steps: _Steps, drawn: Resampling) -> Ranking:
    good, bad = int(steps.correct.sum()), int((~steps.correct).sum())

    def rank(scores: Array) -> Interval | None:
        if min(good, bad) < MINIMUM or np.isnan(scores).any():
            return None
        return interval(drawn.areas(scores, steps.correct, steps.members))

    return Ranking(
        depth, good, bad, rank(steps.predicted), rank(steps.likelihood), rank(steps.likelihood / steps.depth)
    )


def _near(error: Array) -> Array:
    """1 where the error is no more than :data:`NEAR`, up to rounding."""
    return (np.abs(error) <= NEAR + 1e-9).astype(np.float64)


def _mean(values: Array, steps: _Steps, drawn: Resampling) -> Interval:
    totals = drawn.sums(np.stack([values, np.ones(len(values))], axis=1), steps.members)
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval(totals[:, 0] / totals[:, 1])


def _length_bias(scores: Array, steps: _Steps, drawn: Resampling) -> LengthBias:
    def among(kind: NDArray[np.bool_]) -> Interval | None:
        if kind.sum() < MINIMUM or np.isnan(scores).any():
            return None
        _, _, correlation = regression(steps.depth[kind], scores[kind], steps.members[kind], drawn)
        return interval(correlation) if np.isfinite(correlation[0]) else None

    return LengthBias(among(steps.correct), among(~steps.correct))
