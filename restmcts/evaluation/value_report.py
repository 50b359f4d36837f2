"""How good is a value model? Ranking at each depth, calibration and error, with intervals.

The input is one :class:`Judged` a step, so that the figures need no model. Intervals are 95 % bootstrap
intervals over groups (problems), because the steps of one problem are not independent of each other.

Beside the value model stands the control that any claim for one needs: how well the bare log-probability
of the steps under the policy tells good partial solutions from bad ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from store.events import Step

Array = NDArray[np.float64]

MINIMUM = 10
"""So many good and so many bad steps a depth must have before an AUC is given for it."""

_REPEATS = 1000
_CHUNK = 4_000_000
"""Numbers that are held at once while the bootstrap counts."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A partial solution and what was said about it.

    ``group`` is what is resampled for the intervals (the problem); ``depth`` counts steps from 1;
    ``predicted`` is the value model's figure, ``label`` the quality value that it should have said, both
    in [0, 1]; ``correct`` says whether the partial solution is a good one; ``log_probability`` is that of
    all its steps together under the policy, None where unknown.
    """

    group: str
    depth: int
    predicted: float
    label: float
    correct: bool
    log_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


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
    value: Estimate | None
    likelihood_sum: Estimate | None
    likelihood_mean: Estimate | None


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
    error: Estimate
    slope: Estimate
    intercept: Estimate


@dataclass(frozen=True, slots=True)
class ValueReport:
    """The quality of a value model on held-out trees."""

    steps: int
    groups: int
    overall: Ranking
    depths: tuple[Ranking, ...]
    calibration: Calibration
    squared_error: Estimate

    def metrics(self) -> dict[str, float]:
        """The main figures by name; those that could not be had are left out."""
        figures = {
            "auc": self.overall.value,
            "likelihood_sum.auc": self.overall.likelihood_sum,
            "likelihood_mean.auc": self.overall.likelihood_mean,
            "calibration_error": self.calibration.error,
            "calibration_slope": self.calibration.slope,
            "calibration_intercept": self.calibration.intercept,
            "squared_error": self.squared_error,
        }
        for ranking in self.depths:
            figures[f"auc.depth_{ranking.depth}"] = ranking.value
            figures[f"likelihood_sum.auc.depth_{ranking.depth}"] = ranking.likelihood_sum
        return {name: estimate.value for name, estimate in figures.items() if estimate is not None}


def value_report(
    judged: Sequence[Judged], *, bins: int = 10, repeats: int = _REPEATS, seed: int = 0
) -> ValueReport:
    """Figures of a value model from what it said about held-out steps.

    Raises:
        ValueError: ``judged`` is empty.
    """
    if not judged:
        raise ValueError("a value report needs at least one judged step")
    groups = {group: number for number, group in enumerate(dict.fromkeys(row.group for row in judged))}
    member = np.array([groups[row.group] for row in judged])
    draws = _draws(len(groups), repeats, seed)
    depths = sorted({row.depth for row in judged})
    numbers = np.array([row.depth for row in judged])
    return ValueReport(
        steps=len(judged),
        groups=len(groups),
        overall=_ranking(0, judged, member, draws),
        depths=tuple(
            _ranking(
                depth,
                [row for row in judged if row.depth == depth],
                member[numbers == depth],
                draws,
            )
            for depth in depths
        ),
        calibration=_calibration(judged, member, draws, bins),
        squared_error=_squared_error(judged, member, draws),
    )


def _draws(groups: int, repeats: int, seed: int) -> Array:
    """How often each group is drawn: row 0 is the sample itself, the others are resamples."""
    random = np.random.default_rng(seed)
    resampled = random.multinomial(groups, np.full(groups, 1 / groups), size=repeats)
    return np.vstack([np.ones(groups), resampled]).astype(np.float64)


def _estimate(values: Array) -> Estimate:
    """From the figure of the sample and those of the resamples; undefined resamples do not count."""
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled):
        return Estimate(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high))


def area_under_curve(scores: Array, correct: NDArray[np.bool_], weights: Array) -> Array:
    """The AUC of ``scores`` (n,) under each row of ``weights`` (repeats, n); ties count half.

    nan where a row leaves no good or no bad step.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    good = np.add.reduceat(weights[:, order] * correct[order], starts, axis=1)
    bad = np.add.reduceat(weights[:, order] * ~correct[order], starts, axis=1)
    below = np.cumsum(bad, axis=1) - bad / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        area: Array = (good * below).sum(axis=1) / (good.sum(axis=1) * bad.sum(axis=1))
    return area


def _ranking(depth: int, judged: Sequence[Judged], member: NDArray[np.int_], draws: Array) -> Ranking:
    correct = np.array([row.correct for row in judged])
    good, bad = int(correct.sum()), int((~correct).sum())

    def rank(score: Callable[[Judged], float | None]) -> Estimate | None:
        scores = [score(row) for row in judged]
        known = [value for value in scores if value is not None]
        if min(good, bad) < MINIMUM or len(known) < len(scores):
            return None
        return _estimate(_by_chunks(np.array(known), correct, member, draws))

    return Ranking(depth, good, bad, rank(lambda row: row.predicted), rank(_sum), rank(_mean))


def _sum(row: Judged) -> float | None:
    return row.log_probability


def _mean(row: Judged) -> float | None:
    return None if row.log_probability is None else row.log_probability / row.depth


def _by_chunks(scores: Array, correct: NDArray[np.bool_], member: NDArray[np.int_], draws: Array) -> Array:
    rows = max(1, _CHUNK // len(scores))
    parts = [
        area_under_curve(scores, correct, draws[start : start + rows][:, member])
        for start in range(0, len(draws), rows)
    ]
    return np.concatenate(parts)


def _group_sums(columns: Array, member: NDArray[np.int_], groups: int) -> Array:
    sums = np.zeros((groups, columns.shape[1]))
    np.add.at(sums, member, columns)
    return sums


def _squared_error(judged: Sequence[Judged], member: NDArray[np.int_], draws: Array) -> Estimate:
    distance = np.array([row.predicted - row.label for row in judged])
    columns = np.stack([distance**2, np.ones(len(judged))], axis=1)
    totals = draws @ _group_sums(columns, member, draws.shape[1])
    return _estimate(totals[:, 0] / totals[:, 1])


def _calibration(judged: Sequence[Judged], member: NDArray[np.int_], draws: Array, bins: int) -> Calibration:
    predicted = np.array([row.predicted for row in judged])
    label = np.array([row.label for row in judged])
    slope, intercept = _regression(predicted, label, member, draws)
    place = np.clip((predicted * bins).astype(int), 0, bins - 1)
    inside = (place[:, None] == np.arange(bins)).astype(np.float64)
    columns = np.concatenate([inside, inside * predicted[:, None], inside * label[:, None]], axis=1)
    totals = draws @ _group_sums(columns, member, draws.shape[1])
    count, said, meant = totals[:, :bins], totals[:, bins : 2 * bins], totals[:, 2 * bins :]
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
    return Calibration(table, _estimate(error), slope, intercept)


def _regression(
    predicted: Array, label: Array, member: NDArray[np.int_], draws: Array
) -> tuple[Estimate, Estimate]:
    """Slope and intercept of label on predicted, by least squares; nan when all predictions are equal."""
    columns = np.stack([np.ones(len(label)), predicted, label, predicted**2, predicted * label], axis=1)
    n, x, y, xx, xy = (draws @ _group_sums(columns, member, draws.shape[1])).T
    spread = n * xx - x * x
    spread[spread <= 1e-12 * n * xx] = np.nan
    slope = (n * xy - x * y) / spread
    return _estimate(slope), _estimate((y - slope * x) / n)


def likelihoods(steps: Sequence[Step]) -> list[float | None]:
    """The log-probability of the first step, of the first two, and so on; None from an unknown one on."""
    found: list[float | None] = []
    total: float | None = 0.0
    for step in steps:
        total = None if total is None or step.logprob is None else total + step.logprob
        found.append(total)
    return found


def good_steps(labels: Sequence[float | None]) -> tuple[bool | None, ...]:
    """Which steps of a chain its quality values call good; None without a label.

    A step is good when its value is above 0 and not below that of the step before. For values by the
    rule of ReST-MCTS* and for hard estimates this says exactly whether a correct trace goes through it;
    for soft estimates it says whether the step kept the chances.
    """
    good: list[bool | None] = []
    before = 0.0
    for label in labels:
        good.append(None if label is None else label > 0 and label >= before)
        before = before if label is None else label
    return tuple(good)
