"""Verdicts that a person has changed: how they are given, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from math import isclose

from restmcts.errors import InputError
from restmcts.evaluation.means import Problem, mean_of
from restmcts.grading.maths.normalize import normalize_answer
from restmcts.loops.stored.measured import stored_outcomes
from store.encoding.searches import search_from
from store.files.journal import Phase, read_journal
from store.files.jsonl import read_rows
from store.files.layout import RunLayout
from store.records import Evaluation
from store.runs.overrides import Overrides, digest
from store.runs.reading import read_overrides
from store.runs.writer import RunWriter
from store.tree import fold

_SHOWN = 8
"""So many answers are named where the one that was given is not among them."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a changed verdict is about: the answer as it is stored, and how often it is."""

    answer: str
    solutions: int
    trees: int


@dataclass(slots=True)
class _Stored:
    """The answers to a problem in stored trees: in how many solutions and in how many trees each is."""

    solutions: Counter[str]
    trees: Counter[str]


def change(writer: RunWriter, problem: str, answer: str, correct: bool | None, reason: str) -> Changed:
    """Change the verdict on an answer to a problem of a run; it has to be in a stored tree.

    Args:
        writer: writes the run.
        problem: the name of the problem.
        answer: the answer, in any spelling that is normalized to the stored one.
        correct: the verdict; None takes an earlier one back.
        reason: why, in words.

    Raises:
        InputError: no stored tree has the answer, or there is no verdict to take back.
        StoreError: a file cannot be read or written.
    """
    stored = _answers(writer.layout, problem)
    name = _spelled_as_stored(answer, problem, stored)
    places = {question: found for question, found in stored.items() if name in found.solutions}
    if correct is None and not any(name in writer.overrides.on(problem, question) for question in places):
        raise InputError(f"no verdict on the answer {name!r} to problem {problem!r} was overridden")
    for question in places:
        writer.override(problem, digest(question), name, correct, reason)
    writer.sync_index()
    counts = places.values()
    return Changed(
        name, sum(found.solutions[name] for found in counts), sum(found.trees[name] for found in counts)
    )


def _answers(layout: RunLayout, problem: str) -> Mapping[str, _Stored]:
    """The answers to a problem by its text, from all trees of a run; it may have two problems of one name."""
    found: dict[str, _Stored] = {}
    for name in read_journal(layout).phases:
        path = layout.plain(layout.trees(name))
        for line, row in read_rows(path):
            header = row.get("header") if isinstance(row, dict) else None
            if not isinstance(header, dict) or header.get("problem") != problem:
                continue
            record = search_from(row, f"{path}:{line.number}")
            answers = Counter(
                node.answer for node in fold(record.events).finished() if node.answer is not None
            )
            known = found.setdefault(record.header.question, _Stored(Counter(), Counter()))
            known.solutions.update(answers)
            known.trees.update(answers.keys())
    return found


def _spelled_as_stored(answer: str, problem: str, stored: Mapping[str, _Stored]) -> str:
    if not stored:
        raise InputError(f"the run has no tree of problem {problem!r}")
    known = sum((found.solutions for found in stored.values()), Counter[str]())
    if answer in known:
        return answer
    alike = [other for other in known if normalize_answer(other) == normalize_answer(answer)]
    if len(alike) == 1:
        return alike[0]
    most = [repr(name) for name, _ in known.most_common(_SHOWN)]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    listed = f"the answers are {', '.join(most)}{more}" if most else "no tree of it has an answer"
    raise InputError(f"no tree of problem {problem!r} has the answer {answer!r}: {listed}")


def corrected(layout: RunLayout, rows: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations of a run with the verdicts of now; the files keep those of the time of measuring.

    A row whose trees do not give its figures stays as it is.

    Raises:
        StoreError: a file of the run cannot be read.
    """
    if not read_overrides(layout):
        return list(rows)
    phases = read_journal(layout).phases
    found = list(rows)
    for name in dict.fromkeys(row.phase for row in rows):
        places = [place for place, row in enumerate(rows) if row.phase == name]
        of_phase = [rows[place] for place in places]
        if name not in phases:
            continue
        answers = stored_outcomes(layout, name, phases[name].started, of_phase)
        for place, row, known in zip(places, of_phase, answers, strict=True):
            if known:
                found[place] = _counted(row, known)
    return found


def _counted(row: Evaluation, outcomes: Mapping[Problem, float]) -> Evaluation:
    share = mean_of([outcomes])
    if len(outcomes) == row.problems and isclose(share.value, row.accuracy, abs_tol=1e-9):
        return row
    return replace(
        row,
        problems=len(outcomes),
        correct=round(sum(outcomes.values())),
        accuracy=share.value,
        low=share.low,
        high=share.high,
    )


def made_before(phases: Iterable[Phase], overrides: Overrides) -> list[str]:
    """The phases that learned from searches before a verdict was changed last, in their order."""
    last = max((override.time for override in overrides.log), default="")
    after = dropwhile(lambda phase: phase.kind != "search", phases)
    return [phase.name for phase in after if phase.kind in ("label", "train") and phase.started < last]


def stale(run: str, phases: Iterable[Phase], overrides: Overrides) -> str | None:
    """What to say about phases that do not know of a changed verdict; None where there is none."""
    names = made_before(phases, overrides)
    if not names:
        return None
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more phases" if len(names) > 3 else "")
    return (
        f"verdicts were overridden after {listed}: what was labelled, selected and trained there stays as it"
        f" is; `restmcts label {run}` makes labels anew, and a new run all the rest"
    )
