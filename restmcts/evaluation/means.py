"""Outcomes on problems: their mean, and the difference of two sides on the same problems.

An outcome is in [0, 1]: 1 for a right answer and 0 for a wrong one, or the share of the ways to read a budget
off a search whose answer is right. A mapping of outcomes by problem is what one seed gave; the problems of
several seeds may be the same ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from restmcts.evaluation.statistics import (
    Interval,
    Resampled,
    bootstrap_mean,
    clustered_mean,
    mcnemar,
    paired_score,
    wilson,
)

Problem = tuple[str, str]
"""A problem by its name and its text: data sets made from a seed use the same names for other problems."""

Outcomes = Mapping[Problem, float]
"""What one seed gave on each problem, in [0, 1]; differences of two sides are in [-1, 1]."""

FEW = 15
"""Where fewer problems differ from the rest, a bootstrap knows too little about rare ones."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Problems that change sides from the first to the second; right is an outcome above one half."""

    right_to_wrong: tuple[Problem, ...]
    wrong_to_right: tuple[Problem, ...]


def mean_of(blocks: Sequence[Outcomes], level: float = 0.95) -> Interval:
    """The mean outcome over seeds, each a mapping, with its interval.

    One seed of right and wrong answers has a Wilson interval, one seed of shares a bootstrap over problems,
    and several seeds a bootstrap over seeds and problems. Where nearly all problems have the same outcome,
    the interval is that of Wilson for so many problems as there are different ones.

    Raises:
        ValueError: there is no mapping, or one is empty.
    """
    _check(blocks)
    means = list(by_problem(blocks).values())
    if _few(means) or (len(blocks) == 1 and _whole(means)):
        return _around(
            fmean(fmean(block.values()) for block in blocks), wilson(sum(means), len(means), level)
        )
    if len(blocks) == 1:
        return bootstrap_mean(means, level)
    return clusters(blocks).interval(level)


class Differences:
    """Differences of two sides on the same problems over seeds, each a mapping.

    Raises:
        ValueError: there is no mapping, or one is empty.
    """

    def __init__(self, blocks: Sequence[Outcomes]) -> None:
        _check(blocks)
        self.blocks = blocks
        self.means = list(by_problem(blocks).values())
        """The mean over the seeds that have the problem, for each problem."""

    @cached_property
    def _clusters(self) -> Resampled:
        return clusters(self.blocks)

    def interval(self, level: float = 0.95) -> Interval:
        """The mean over seeds with its interval.

        A bootstrap over problems, for several seeds over seeds and problems; the score interval of paired
        shares where nearly all problems have the same difference.
        """
        means = self.means
        if _few(means):
            above, below = sum(mean for mean in means if mean > 0), -sum(mean for mean in means if mean < 0)
            value = fmean(fmean(block.values()) for block in self.blocks)
            return _around(value, paired_score(above, below, len(means), level))
        return bootstrap_mean(means, level) if len(self.blocks) == 1 else self._clusters.interval(level)

    @property
    def p_value(self) -> float:
        """Of no difference on average.

        The exact McNemar test where each problem occurs once and is right or wrong; the sign test over
        problems where nearly all are alike; the paired t-test for shares of one seed; for several seeds the
        normal test with the standard error of the bootstrap over seeds and problems.
        """
        from scipy.stats import ttest_1samp

        means = self.means
        once = len(means) == sum(map(len, self.blocks)) and _whole(means)
        if once or _few(means):
            return mcnemar(sum(mean > 0 for mean in means), sum(mean < 0 for mean in means))
        if len(self.blocks) > 1:
            return self._clusters.p_value
        return float(ttest_1samp(means, 0.0).pvalue)

    def equal_within(self, margin: float, level: float = 0.05) -> bool:
        """Whether the mean difference is shown to be smaller than ``margin`` in both directions.

        Two one-sided tests at ``level``: the interval of ``1 - 2 level`` lies within the margins (Schuirmann
        1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680).
        """
        found = self.interval(1 - 2 * level)
        return -margin < found.low and found.high < margin


def flips(first: Outcomes, second: Outcomes) -> Flips:
    """The problems that both sides have and that only one of them is right on, by name."""
    shared = sorted(first.keys() & second.keys())
    return Flips(
        tuple(problem for problem in shared if first[problem] > 0.5 >= second[problem]),
        tuple(problem for problem in shared if second[problem] > 0.5 >= first[problem]),
    )


def by_problem(blocks: Sequence[Outcomes]) -> dict[Problem, float]:
    """The mean over the seeds that have the problem, for each problem."""
    found: dict[Problem, list[float]] = defaultdict(list)
    for block in blocks:
        for problem, outcome in block.items():
            found[problem].append(outcome)
    return {
        problem: float(outcomes[0]) if len(outcomes) == 1 else fmean(outcomes)
        for problem, outcomes in sorted(found.items())
    }


def clusters(blocks: Sequence[Outcomes]) -> Resampled:
    """The mean over seeds with a bootstrap over seeds and problems, which may be the same for all seeds."""
    crossed = len({frozenset(block) for block in blocks}) == 1
    return clustered_mean([[block[key] for key in sorted(block)] for block in blocks], crossed=crossed)


def _few(figures: Sequence[float]) -> bool:
    """Whether few figures differ from the most common one."""
    ((_, most),) = Counter(figures).most_common(1)
    return len(figures) - most < FEW


def _whole(figures: Sequence[float]) -> bool:
    return set(figures) <= {-1.0, 0.0, 1.0}


def _around(value: float, found: Interval) -> Interval:
    """An interval around the mean over seeds, which is not that over problems where seeds share only some."""
    return Interval(value, min(value, found.low), max(value, found.high))


def _check(blocks: Sequence[Outcomes]) -> None:
    if not blocks or not all(blocks):
        raise ValueError("outcomes of a seed need a problem")
