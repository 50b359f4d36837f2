"""The rows of all evaluations of a run, each with its outcomes, for comparing methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from restmcts.errors import InputError
from restmcts.evaluation.comparison.methods import Budget, Made, MethodRow
from restmcts.loops.stored.measured import measurement, of_the_loop, outcomes
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.records import Evaluation
from store.runs.reading import read_evaluations


def read_method_rows(
    root: Path, run: str, seed: tuple[int, int], *, arm: str = "", phases: Sequence[str] = ()
) -> tuple[list[MethodRow], list[str]]:
    """The rows of the evaluations of a run that are done, and what could not be read, in words.

    Args:
        root: the store.
        run: the run.
        seed: the seed of the run, and a number that tells it from others of that seed.
        arm: the arm of the run, where there are several.
        phases: only these evaluations; none: all.

    Raises:
        InputError: there is no such run, or no evaluation of such a name in it.
        StoreError: its journal or its evaluations cannot be read.
    """
    layout = RunLayout(root, run)
    journal = read_journal(layout)
    by_phase: dict[str, list[Evaluation]] = {}
    for row in read_evaluations(layout):
        by_phase.setdefault(row.phase, []).append(row)
    if unknown := [phase for phase in phases if phase not in by_phase]:
        raise InputError(
            f"run {run!r} has no evaluation {unknown[0]!r}; it has {', '.join(by_phase) or 'none'}"
        )
    found: list[MethodRow] = []
    notes: list[str] = []
    seen: Counter[tuple[Made, int]] = Counter()
    for phase, rows in by_phase.items():
        if phases and phase not in phases:
            continue
        if phase not in journal.phases or journal.phases[phase].status != "done":
            notes.append(f"run {run}: phase {phase} is not done; left out")
            continue
        key = _made(phase), rows[0].iteration or 0
        place = seed[0], seed[1] + 1000 * seen[key]
        seen[key] += 1
        answers = outcomes(layout, phase, rows, notes, journal.phases[phase].started)
        for row, each in zip(rows, answers, strict=True):
            point = Budget(*key, row.traces, row.budget, arm)
            found.append(MethodRow(row.method, place, point, measurement(row, each)))
    return found, notes


def _made(phase: str) -> Made:
    if phase.startswith("final."):
        return "closing"
    return "loop" if of_the_loop(phase) else "asked"
