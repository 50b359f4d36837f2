"""What a report needs of stored runs, read from their files; nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from restmcts.evaluation.comparison.methods import with_several
from restmcts.evaluation.comparison.runs import RunFigures, arms_of
from restmcts.evaluation.comparison.tables import Table, compare_arms, compare_methods
from restmcts.evaluation.reading.budgets import answers_of
from restmcts.evaluation.report.content import Pair, Report, RunLine, make_report
from restmcts.evaluation.report.searches import Ended, ending
from restmcts.export.trees import read_trees
from restmcts.loops.stored.compared import StoredName, check_side, read_methods
from store.answering.rules import RULES
from store.errors import StoreError
from store.events import SearchRecord
from store.files.journal import Phase, read_journal
from store.files.layout import RunLayout
from store.files.plain import read_plain
from store.runs.reading import read_checkpoints
from store.tree import fold


@dataclass(slots=True)
class _Found:
    """What the searches of runs say."""

    searches: list[Ended] = field(default_factory=list)
    pairs: dict[tuple[str, str], list[Pair]] = field(default_factory=lambda: defaultdict(list))
    values: list[list[object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_report(
    names: Sequence[StoredName],
    figures: Sequence[RunFigures],
    *,
    against: str | None = None,
    margin: float | None = None,
) -> Report:
    """Read runs and put together what a report says about them.

    Args:
        names: the runs.
        figures: what is known of each of them.
        against: compare only with this arm or method; see :func:`verdicts`.
        margin: a difference of accuracies, 0 to 1, that does not matter.

    Raises:
        InputError: there is nothing of the name ``against``.
        StoreError: a journal cannot be read. Of other damage, the notes of the report tell.
    """
    arms = arms_of(figures)
    scored, notes = read_methods(names, figures)
    methods = [one.name for one in scored]
    check_side(against, [arm.name for arm in arms] + methods)
    of_arms = against if against in [arm.name for arm in arms] else None
    of_methods = against if against in methods else None
    found = _Found(notes=[*(note for run in figures for note in run.notes), *notes])
    lines = [
        _read(number, name, run, found) for number, (name, run) in enumerate(zip(names, figures, strict=True))
    ]
    return make_report(
        lines,
        figures,
        compare_arms(arms, against=of_arms, margin=margin),
        compare_methods(with_several(scored), against=of_methods, margin=margin),
        searches=found.searches,
        pairs=found.pairs,
        values=Table("value models on held-out trees", VALUE_COLUMNS, found.values),
        notes=found.notes,
    )


VALUE_COLUMNS = ("run", "iteration", "AUC", "calibration error", "squared error", "carried on")


def _read(number: int, name: StoredName, figures: RunFigures, found: _Found) -> RunLine:
    """Read the searches and value models of a run."""
    layout = RunLayout(name.root, name.run)
    journal = read_journal(layout)
    for phase in journal.phases.values():
        _read_phase(number, name, phase, found)
    _read_values(name, layout, found)
    return RunLine(
        name=name.name,
        root=str(name.root),
        run=name.run,
        recipe=figures.recipe,
        seed=figures.seed,
        status="unfinished" if journal.status == "running" else journal.status,
        created=journal.created[:19].replace("T", " "),
        version=_version(layout),
    )


def _read_phase(number: int, name: StoredName, phase: Phase, found: _Found) -> None:
    """Take in the searches of a phase; of one that is running, those that can be read so far."""
    evaluation = phase.kind == "evaluate"
    try:
        for record in read_trees(name.root, name.run, phase.name, whole=phase.status == "done"):
            found.searches.append(_ended(number, name.name, phase, record))
            if evaluation:
                _add_pairs(record, f"{name.name}/", found)
    except StoreError as error:
        found.notes.append(f"run {name.name}: phase {phase.name} is read in part ({error})")


def _ended(number: int, run: str, phase: Phase, record: SearchRecord) -> Ended:
    header = record.header
    return Ended(
        number=number,
        run=run,
        tree=header.id,
        phase=phase.name,
        iteration=phase.iteration or 0,
        evaluation=phase.kind == "evaluate",
        method=header.method,
        problem=(header.problem, header.question),
        answer=record.result.answer,
        oracle=header.oracle,
        ending=ending(record),
    )


def _add_pairs(record: SearchRecord, prefix: str, found: _Found) -> None:
    """What the value model said about whole solutions, and answer rules about their answers."""
    header = record.header
    problem = f"{prefix}{header.problem}"
    tree = fold(record.events)
    for node in tree.finished():
        if node.score is not None and node.correct is not None:
            found.pairs["value", header.method].append(Pair(problem, node.score, node.correct))
    read_by = header.settings.get("read_by")
    rules = [header.answer_by, *(read_by if isinstance(read_by, list) else [])]
    known = [rule for rule in dict.fromkeys(rules) if rule in RULES]
    for rule, answer in answers_of(record, tree, known).items():
        if answer.confidence is not None and answer.correct is not None:
            name = f"{header.method}, {rule}"
            found.pairs["confidence", name].append(Pair(problem, answer.confidence, answer.correct))


def _read_values(name: StoredName, layout: RunLayout, found: _Found) -> None:
    try:
        rows = read_checkpoints(layout)
    except StoreError as error:
        found.notes.append(f"run {name.name}: checkpoints cannot be read ({error})")
        return
    for row in rows:
        if "squared_error" in row.metrics:
            figures = [row.metrics.get(key) for key in ("auc", "calibration_error", "squared_error")]
            carried = "yes" if row.carried else "no"
            found.values.append([name.name, row.iteration, *map(_figure, figures), carried])


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else ""


def _version(layout: RunLayout) -> str:
    """The version that wrote the run; empty where that is not known."""
    try:
        found = orjson.loads(read_plain(layout.plain(layout.environment)))
    except (OSError, ValueError, StoreError):
        return ""
    if not isinstance(found, dict):
        return ""
    version, revision = found.get("restmcts"), found.get("revision")
    return f"{version}" + (f" ({revision[:10]})" if isinstance(revision, str) else "")
