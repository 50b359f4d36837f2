"""Stored runs by the names that commands are given, as comparisons look at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restmcts.errors import InputError
from restmcts.evaluation.comparison.methods import MethodRow, scored_methods
from restmcts.evaluation.comparison.runs import Arm, RunFigures, arms_of
from restmcts.evaluation.verdicts import Scored
from restmcts.loops.stored.measured import read_run
from restmcts.loops.stored.method_rows import read_method_rows
from restmcts.paths import expanded


@dataclass(frozen=True, slots=True)
class StoredName:
    """A run as it was named: ``RUN``, or ``STORE/RUN`` in another store."""

    name: str
    root: Path
    run: str


def stored_names(root: Path, names: Sequence[str]) -> list[StoredName]:
    """The runs that names stand for, each once.

    Raises:
        InputError: a name is of a store that there is not.
    """
    found = []
    for name in dict.fromkeys(names):
        folder, separator, run = name.rpartition("/")
        store = expanded(Path(folder or "/")) if separator else root
        if not store.is_dir():
            raise InputError(f"{store}: no such folder; write RUN, or STORE/RUN")
        found.append(StoredName(name, store, run))
    return found


def read_figures(names: Sequence[StoredName]) -> list[RunFigures]:
    """What comparisons know of each run.

    Raises:
        InputError: there is no such run.
        StoreError: a run cannot be read.
    """
    return [read_run(each.root, each.run, each.name) for each in names]


def read_methods(
    names: Sequence[StoredName], figures: Sequence[RunFigures], phases: Sequence[str] = ()
) -> tuple[list[Scored], list[str]]:
    """The methods of all evaluations of runs, and what could not be read, in words.

    Runs of one arm are the seeds of its methods.

    Args:
        names: the runs.
        figures: what is known of each of them.
        phases: only these evaluations; none: all.

    Raises:
        InputError: there is no such evaluation.
        StoreError: a run cannot be read.
    """
    arms = arms_of(figures)
    places = {each.name: each for each in names}
    rows: list[MethodRow] = []
    notes: list[str] = []
    for arm in arms:
        name = arm.name if len(arms) > 1 else ""
        for run, seed in _seeds(arm):
            place = places[run.name]
            found, unread = read_method_rows(place.root, place.run, seed, arm=name, phases=phases)
            rows += found
            notes += unread
    return scored_methods(rows), notes


def _seeds(arm: Arm) -> list[tuple[RunFigures, tuple[int, int]]]:
    seen: Counter[int] = Counter()
    found = []
    for run in arm.runs:
        found.append((run, (run.seed, seen[run.seed])))
        seen[run.seed] += 1
    return found


def check_side(against: str | None, sides: Sequence[str]) -> None:
    """Refuse a side to compare with that there is not.

    Raises:
        InputError: that is so; the message names those that there are.
    """
    if against is not None and against not in sides:
        raise InputError(
            f"--against {against!r}: nothing of that name; there are {', '.join(dict.fromkeys(sides))}"
        )
