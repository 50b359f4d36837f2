"""What figures show about two sides, as sentences: a lead, equality within a margin, or no difference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import fmean
from typing import Protocol

from restmcts.evaluation.comparison.runs import Measurement
from restmcts.evaluation.means import Differences, Flips, Outcomes, Problem, by_problem, flips
from restmcts.evaluation.power import paired_problems, unpaired_problems
from restmcts.evaluation.statistics import Interval, holm, independent_shares, newcombe, wilson

LEVEL = 0.05
"""The level of tests, for the family of all comparisons; it goes with intervals of 95 %."""

NO_FLIPS = Flips((), ())

Replicate = tuple[int, int]
"""A seed, and a number that tells runs of the same seed apart."""

Replicates = Mapping[Replicate, Measurement]
"""Measurements by seed, and by a number where runs have the same seed."""


class Where(Protocol):
    """At what sides are compared: hashable, with a text such as ``at 800 tokens``."""

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """One side at one point: what it is called, and what each of its seeds gave."""

    name: str
    point: Where
    measured: Replicates


@dataclass(frozen=True, slots=True)
class Verdict:
    """By how much the accuracy of ``first`` is above that of ``second``, and what that shows.

    Attributes:
        paired: on the same problems; otherwise the sides were measured on different problems, and the
            interval is that of independent shares.
        runs: the pairs of runs of equal seeds; 1 where no seed is the same.
        problems: of a run, on average.
        distinct: different problems of all runs.
        interval: of 95 %, for this comparison alone.
        p_value: of this comparison alone.
        corrected: the p-value by Holm's correction over the ``family`` of all comparisons that were made.
        needed: about so many problems would show a difference of this size with a power of 80 %, were the
            comparison the only one; on each side where it is not paired. None: the difference is 0.
        margin: a difference that does not matter; None: nobody has said so.
        narrow: the interval of 90 %, by which sides are equal within the margin.
        equal: whether they are: two one-sided tests at 5 %.
        flips: the problems that one side alone is right on.
    """

    first: str
    second: str
    point: Where
    paired: bool
    runs: int
    problems: int
    distinct: int
    interval: Interval
    p_value: float
    corrected: float
    family: int
    needed: int | None
    margin: float | None = None
    narrow: Interval | None = None
    equal: bool = False
    flips: Flips = NO_FLIPS

    @property
    def shown(self) -> bool:
        """Whether the sides differ: the interval leaves 0 out, and so says the corrected test."""
        apart = self.interval.low > 0 or self.interval.high < 0
        return apart and self.corrected < LEVEL

    @property
    def leader(self) -> str:
        """The side with the higher accuracy, whether that is shown or not."""
        return self.second if self.interval.value < 0 else self.first

    @property
    def verdict(self) -> str:
        """What the figures show, as a sentence."""
        how = "" if self.paired else "; measured on different problems, so compared as independent shares"
        if self.shown:
            within = f"; equal within {_points(self.margin)}" if self.equal and self.margin else ""
            return f"{self._lead()}, {self.point.text} ({self._test()}){within}{how}"
        value = f"{round(100 * self.interval.value, 1) + 0:+.1f} points"
        if self.equal and self.margin and self.narrow:
            return (
                f"{self.first} and {self.second} are equal within {_points(self.margin)}: {value},"
                f" {_bounds(self.narrow, 90)}, {self.point.text}{how}"
            )
        return (
            f"no difference shown between {self.first} and {self.second}: {value},"
            f" {_bounds(self.interval)}, {self.point.text} ({self._test()}){how}{self._more()}"
        )

    def _lead(self) -> str:
        found = self.interval
        names = (self.first, self.second)
        if found.value < 0:
            found, names = Interval(-found.value, -found.high, -found.low), names[::-1]
        return f"{names[0]} leads {names[1]} by {100 * found.value:.1f} points, {_bounds(found)}"

    def _test(self) -> str:
        if self.family == 1:
            return f"p {_p(self.p_value)}"
        return f"Holm-corrected p {_p(self.corrected)}"

    def _more(self) -> str:
        if self.needed is None:
            return ""
        if self.distinct >= self.needed:
            return "; only the number of comparisons, or the seeds, keep it from showing"
        sides = "" if self.paired else " on each side"
        return f"; about {_about(self.needed)} problems{sides} would be needed to show one of this size"


def verdicts(
    scored: Sequence[Scored], *, against: str | None = None, margin: float | None = None
) -> list[Verdict]:
    """Every pair of sides at every point that both were measured at, corrected for their number.

    Args:
        scored: the sides; the order of points and of names is that in which they come first.
        against: compare only with the side of this name.
        margin: a difference of accuracies, 0 to 1, that does not matter.
    """
    found = []
    sides = [_Side(one.name, one.point, one.measured) for one in scored if one.measured]
    for point in dict.fromkeys(one.point for one in sides):
        here = [one for one in sides if one.point == point]
        pairs = list(combinations(here, 2))
        if against is not None:
            pairs = [(a, b) if b.name == against else (b, a) for a, b in pairs if against in (a.name, b.name)]
        found += [_compared(first, second, margin) for first, second in pairs]
    corrected = holm([one.p_value for one in found])
    return [replace(one, corrected=p, family=len(found)) for one, p in zip(found, corrected, strict=True)]


class _Side(Scored):
    """A side that is compared with many others."""

    @cached_property
    def _means(self) -> dict[frozenset[Replicate], dict[Problem, float]]:
        return {}

    @property
    def everywhere(self) -> set[Problem]:
        """The problems that all runs have."""
        answers = [set(one.answers or {}) for one in self.measured.values()]
        return answers[0].intersection(*answers[1:])

    def over(self, keys: Collection[Replicate]) -> dict[Problem, float]:
        """For each problem the mean outcome over the runs that have it; without keys over all runs."""
        chosen = frozenset(keys or self.measured)
        if chosen not in self._means:
            self._means[chosen] = by_problem([self.measured[key].answers or {} for key in sorted(chosen)])
        return self._means[chosen]


def _compared(first: _Side, second: _Side, margin: float | None) -> Verdict:
    blocks = _paired_blocks(first, second)
    if not blocks:
        return _unpaired(first, second, margin)
    found = Differences(blocks)
    p = found.p_value
    return Verdict(
        first=first.name,
        second=second.name,
        point=first.point,
        paired=True,
        runs=len(blocks),
        problems=round(fmean(map(len, blocks))),
        distinct=len(found.means),
        interval=found.interval(),
        p_value=p,
        corrected=p,
        family=1,
        needed=_needed(found.means),
        margin=margin,
        narrow=None if margin is None else found.interval(1 - 2 * LEVEL),
        equal=margin is not None and found.equal_within(margin, LEVEL),
        flips=_flips(first, second),
    )


def _unpaired(first: Scored, second: Scored, margin: float | None) -> Verdict:
    ones, others = _pooled(first.measured), _pooled(second.measured)
    narrow = newcombe(wilson(*ones, 1 - 2 * LEVEL), wilson(*others, 1 - 2 * LEVEL))
    found = newcombe(wilson(*ones), wilson(*others))
    p = independent_shares(ones, others)
    return Verdict(
        first=first.name,
        second=second.name,
        point=first.point,
        paired=False,
        runs=1,
        problems=min(_fewest(first.measured), _fewest(second.measured)),
        distinct=min(ones[1], others[1]),
        interval=found,
        p_value=p,
        corrected=p,
        family=1,
        needed=_unpaired_needed(ones, others),
        margin=margin,
        narrow=None if margin is None else narrow,
        equal=margin is not None and -margin < narrow.low and narrow.high < margin,
    )


def _needed(differences: Sequence[float]) -> int | None:
    """The problems that show the difference, with as many that tell the sides apart as there are now.

    For shares the mean square of the differences takes the place of their number.
    """
    value = fmean(differences)
    try:
        return paired_problems(value, max(abs(value), fmean(one * one for one in differences)))
    except ValueError:
        return None


def _unpaired_needed(ones: tuple[float, int], others: tuple[float, int]) -> int | None:
    if not ones[1] or not others[1]:
        return None
    baseline = others[0] / others[1]
    try:
        return unpaired_problems(ones[0] / ones[1] - baseline, baseline)
    except ValueError:
        return None


def _pooled(measured: Replicates) -> tuple[float, int]:
    rows = measured.values()
    return sum(row.correct for row in rows), sum(row.problems for row in rows)


def _fewest(measured: Replicates) -> int:
    return min(row.problems for row in measured.values())


def _flips(first: _Side, second: _Side) -> Flips:
    keys = first.measured.keys() & second.measured.keys()
    return flips(first.over(keys), second.over(keys))


def _paired_blocks(first: _Side, second: _Side) -> list[Outcomes]:
    """The difference on each problem, a block for each pair of runs of equal seeds that share problems.

    Without equal seeds: one block, of the differences between the means over the runs of each side.
    """
    same = sorted(first.measured.keys() & second.measured.keys())
    if same:
        blocks = [_block(first.over({key}), second.over({key})) for key in same]
    else:
        everywhere = first.everywhere & second.everywhere
        blocks = [_block(*({key: side.over(())[key] for key in everywhere} for side in (first, second)))]
    return [block for block in blocks if block]


def _block(ones: Outcomes, others: Outcomes) -> Outcomes:
    return {problem: ones[problem] - others[problem] for problem in sorted(ones.keys() & others.keys())}


def _points(share: float) -> str:
    return f"{100 * share:g} points"


def _bounds(found: Interval, percent: int = 95) -> str:
    # Adding 0 makes a zero without a sign.
    low, high = (round(100 * bound, 1) + 0 for bound in (found.low, found.high))
    return f"{percent} % interval {low:.1f} to {high:.1f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.2g}"


def _about(count: int) -> str:
    """A number with two digits that say something."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // unit) * unit:,}"
