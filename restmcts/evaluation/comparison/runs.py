"""What a comparison knows of each run, and the arms that runs belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from restmcts.evaluation.means import Outcomes

Part = Literal["data", "training", "evaluation"]
"""What tokens and time were spent on."""

PARTS: tuple[Part, ...] = ("data", "training", "evaluation")

SHOWN_KEYS = 3
"""So many settings of an arm are part of its name."""

LONGEST_VALUE = 24
"""Characters of a setting in a name."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured: a method after an iteration, at a budget in mean traces.

    ``closing``: in the closing table of the run, and not after every iteration.
    """

    closing: bool
    iteration: int
    method: str
    traces: float | None = None

    @property
    def when(self) -> str:
        """After which iteration, in words."""
        return "at the end" if self.closing else f"after iteration {self.iteration}"

    @property
    def how(self) -> str:
        """By which method, and at which budget where it is no single trace, in words."""
        return self.method if self.traces in (None, 1.0) else f"{self.method} at {self.traces:g} traces"

    @property
    def text(self) -> str:
        """When and how, in words."""
        return f"{self.when} by {self.how}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """The accuracy of a run at a point: what its row says, and the outcome on each problem.

    An outcome is 1 for a right answer, 0 for a wrong one, or the share of the orders of traces in which it is
    right. ``answers`` is None where the stored trees do not give the row. Tokens are means a problem.
    """

    correct: float
    problems: int
    policy_tokens: float
    value_tokens: float
    answers: Outcomes | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and wall time; ``trained_tokens`` were read in training, None where nobody has counted them."""

    generated_tokens: int = 0
    value_tokens: int = 0
    trained_tokens: int | None = None
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        known = [one.trained_tokens for one in (self, other) if one.trained_tokens is not None]
        return Spent(
            self.generated_tokens + other.generated_tokens,
            self.value_tokens + other.value_tokens,
            sum(known) if known else None,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class RunFigures:
    """A stored run as far as a comparison looks at it.

    ``settings`` is its recipe as flat keys, without the name of the recipe and the seed. ``spent`` and
    ``figures`` are by iteration. ``notes`` says what could not be read, in words.
    """

    name: str
    recipe: str
    seed: int
    settings: Mapping[str, Any]
    measured: Mapping[Point, Measurement] = field(default_factory=dict)
    spent: Mapping[tuple[int, Part], Spent] = field(default_factory=dict)
    figures: Mapping[tuple[int, str], float] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs of the same recipe that differ in the seed alone."""

    name: str
    runs: tuple[RunFigures, ...]

    def replicates(self, point: Point) -> dict[tuple[int, int], Measurement]:
        """The measurements at a point by seed, and by a number where runs have the same seed."""
        seen: Counter[int] = Counter()
        found = {}
        for run in self.runs:
            key = run.seed, seen[run.seed]
            seen[run.seed] += 1
            if point in run.measured:
                found[key] = run.measured[point]
        return found

    def points(self) -> set[Point]:
        """Everything that any run of the arm has measured."""
        return {point for run in self.runs for point in run.measured}


def arms_of(runs: Sequence[RunFigures]) -> list[Arm]:
    """The arms that the runs are of, in the order of their first runs; each has a name of its own."""
    members: dict[str, list[RunFigures]] = {}
    for run in runs:
        members.setdefault(repr((run.recipe, sorted(run.settings.items(), key=repr))), []).append(run)
    groups = list(members.values())
    names = [_arm_name(group[0], [other[0] for other in groups]) for group in groups]
    taken = Counter(names)
    unique = [
        name if taken[name] == 1 else f"{name} [{group[0].name}]"
        for name, group in zip(names, groups, strict=True)
    ]
    return [Arm(name, tuple(group)) for name, group in zip(unique, groups, strict=True)]


def _arm_name(run: RunFigures, firsts: Sequence[RunFigures]) -> str:
    """The recipe, with settings in which other arms of that recipe differ, where there are some.

    As many settings are named as tell the arms apart, the loop first and what is measured last.
    """
    same = [other for other in firsts if other.recipe == run.recipe]
    keys = {key for other in same for key in other.settings}
    differing = [key for key in keys if len({_value(other, key) for other in same}) > 1]
    if not differing:
        return run.recipe
    chosen = _telling_apart(sorted(differing, key=lambda key: _rank(key, same)), same)
    short = _shortened(chosen)
    shown = ", ".join(f"{short[key]}={_value(run, key)[:LONGEST_VALUE]}" for key in chosen)
    return f"{run.recipe} ({shown}{', …' if len(chosen) < len(differing) else ''})"


def _value(run: RunFigures, key: str) -> str:
    return str(run.settings.get(key, "none"))


def _rank(key: str, runs: Sequence[RunFigures]) -> tuple[bool, bool, bool, str]:
    """The order in which settings are taken into a name."""
    long = any(len(_value(run, key)) > LONGEST_VALUE for run in runs)
    return key != "loop", long, key.startswith("evaluation."), key


def _telling_apart(keys: Sequence[str], runs: Sequence[RunFigures]) -> list[str]:
    """The first keys, each of which tells more of the runs apart than those before it do."""
    chosen: list[str] = []
    apart = 1
    for key in keys:
        found = len({tuple(_value(run, each) for each in (*chosen, key)) for run in runs})
        if found > apart and len(chosen) < SHOWN_KEYS:
            chosen.append(key)
            apart = found
    return chosen


def _shortened(keys: Sequence[str]) -> dict[str, str]:
    """The last parts of keys, and the whole keys where several have the same."""
    last = Counter(key.rpartition(".")[2] for key in keys)
    return {key: name if last[name := key.rpartition(".")[2]] == 1 else key for key in keys}
