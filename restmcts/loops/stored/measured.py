"""What a comparison needs of a stored run, read from its files; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from restmcts.evaluation.budgets import answers_at
from restmcts.evaluation.comparison.runs import Measurement, Part, Point, Problem, RunFigures, Spent
from restmcts.recipe import parsed
from restmcts.search.registry import METHODS, row_name
from restmcts.stored_recipes import stored_text
from store.answers import RULES
from store.errors import StoreError
from store.events import SearchRecord
from store.files.journal import Journal, Phase, read_journal
from store.files.layout import RunLayout
from store.overrides import Overrides, overlay
from store.records import Evaluation
from store.run_files import read_checkpoints, read_evaluations, read_metrics, read_overrides, read_trees

DATA_FIGURES = "data."
"""How the names of metrics begin that describe the trees of an iteration."""

VALUE_AUC = "value.auc"
"""The figure of a new value model on held-out trees."""

Answers = dict[Problem, bool]

Cell = tuple[str, str, int | None]
"""A choice of a method, an answer rule and a budget."""


def read_run(root: Path, run: str, name: str) -> RunFigures:
    """A stored run as a comparison looks at it.

    Args:
        name: what the comparison calls the run.

    Raises:
        InputError: there is no such run.
        StoreError: its recipe or its journal cannot be read. Of other damage, ``notes`` tells.
    """
    layout = RunLayout(root, run)
    values = parsed(stored_text(root, run), str(layout.config))
    journal = read_journal(layout)
    notes: list[str] = []
    seed = values.pop("seed", 0)
    return RunFigures(
        name=name,
        recipe=str(values.pop("recipe", name)),
        seed=seed if isinstance(seed, int) else 0,
        settings=flat(values),
        measured=_measured(layout, journal, notes),
        spent=_spent(journal.phases.values()),
        figures=_figures(layout, journal, notes),
        notes=[f"run {name}: {text}" for text in notes],
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dots in its keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _measured(layout: RunLayout, journal: Journal, notes: list[str]) -> dict[Point, Measurement]:
    by_phase: dict[str, list[Evaluation]] = {}
    for row in read_evaluations(layout):
        if _is_of_the_loop(row.phase):
            by_phase.setdefault(row.phase, []).append(row)
    found: dict[Point, Measurement] = {}
    for phase, rows in by_phase.items():
        if phase not in journal.phases or journal.phases[phase].status != "done":
            notes.append(f"phase {phase} is not done; left out")
            continue
        started = journal.phases[phase].started
        for row, answers in zip(rows, _answers(layout, phase, started, rows, notes), strict=True):
            point = Point(phase.startswith("final."), row.iteration or 0, row.method, row.traces)
            counts = (row.correct, row.problems) if answers is None else (sum(answers.values()), len(answers))
            found[point] = Measurement(*counts, row.policy_tokens, row.value_tokens, answers)
    return found


def _is_of_the_loop(phase: str) -> bool:
    """Whether a phase was part of the recipe, and not asked for by `restmcts eval`."""
    return phase.partition(".")[0].isdecimal() or phase.startswith("final.")


def _answers(
    layout: RunLayout, phase: str, started: str, rows: Sequence[Evaluation], notes: list[str]
) -> Sequence[Answers | None]:
    """The verdicts behind each row, as far as the stored trees give them."""
    try:
        found = stored_verdicts(layout, phase, started, rows)
    except StoreError as error:
        notes.append(f"the answers of {phase} cannot be read ({error}); its rows are compared unpaired")
        return [None] * len(rows)
    unknown = [row.method for row, answers in zip(rows, found, strict=True) if answers is None]
    if unknown:
        notes.append(f"the trees of {phase} do not give the row of {', '.join(unknown)}; compared unpaired")
    return found


def stored_verdicts(
    layout: RunLayout, phase: str, started: str, rows: Sequence[Evaluation]
) -> list[Answers | None]:
    """The verdicts behind the rows of a stored phase, with those that a person has changed since.

    Args:
        started: when the phase was started last: its rows have the verdicts of that time.

    Raises:
        StoreError: a file cannot be read.
    """
    changed = read_overrides(layout)
    known = changed.before(started)
    stored = read_trees(layout, phase, Overrides())
    return verdicts(((overlay(record, known), overlay(record, changed)) for record in stored), rows)


def verdicts(
    records: Iterable[tuple[SearchRecord, SearchRecord]], rows: Sequence[Evaluation]
) -> list[Answers | None]:
    """The verdict on each problem behind each row of an evaluation, from the trees that were searched for it.

    A row belongs to the first choice of a method, in the order of the trees, that has an answer rule of its
    name and gives its figures. None: no choice does.

    Args:
        records: each tree twice: with the verdicts that the rows were counted from, and with those of now.
        rows: the rows of one phase.
    """
    cells: dict[Cell, dict[Problem, bool | None]] = {}
    now: dict[Cell, dict[Problem, bool | None]] = {}
    names: dict[str, dict[str, list[int | None]]] = {}
    for record, changed in records:
        header = record.header
        wanted = names.setdefault(header.method, _wanted(header.method, header.answer_by, rows))
        choice = f"{header.method} {sorted(header.settings.items(), key=repr)}"
        for rule, budgets in wanted.items():
            for tree, into in ((record, cells), (changed, now)):
                for answer in answers_at(tree, budgets, [rule])[rule]:
                    cell = into.setdefault((choice, rule, answer.budget), {})
                    cell[header.problem, header.question] = answer.correct
    reached = {key: _reached(cell) for key, cell in now.items()}
    return [None if key is None else reached[key] for key in _matched(cells, rows)]


def _reached(cell: Mapping[Problem, bool | None]) -> Answers:
    return {problem: right for problem, right in cell.items() if right is not None}


def _wanted(method: str, own_rule: str, rows: Sequence[Evaluation]) -> dict[str, list[int | None]]:
    """The answer rules and budgets that rows have of a method; its own rule where no name fits."""
    found: dict[str, list[int | None]] = {}
    for rule in RULES:
        budgets = [row.budget for row in rows if _fits(method, rule, row.method)]
        if budgets:
            found[rule] = list(dict.fromkeys(budgets))
    return found or {own_rule: list(dict.fromkeys(row.budget for row in rows))}


def _fits(method: str, rule: str, name: str) -> bool:
    """Whether a row of this name is of the method and the rule; brackets and numbers tell choices apart."""
    if method not in METHODS:
        return False
    own = row_name(method, rule)
    return name == own or name.startswith((f"{own} (", f"{own} #"))


def _matched(
    cells: Mapping[Cell, Mapping[Problem, bool | None]], rows: Sequence[Evaluation]
) -> list[Cell | None]:
    left = {key: _reached(cell) for key, cell in cells.items()}
    alone = len(rows) == 1 and len(left) == 1
    matched: list[Cell | None] = []
    for row in rows:
        key = next((key for key, cell in left.items() if _gives(key, cell, row, alone)), None)
        matched.append(key)
        if key is not None:
            del left[key]
    return matched


def _gives(key: Cell, cell: Answers, row: Evaluation, alone: bool) -> bool:
    choice, rule, budget = key
    named = alone or _fits(choice.partition(" ")[0], rule, row.method)
    return named and budget == row.budget and (len(cell), sum(cell.values())) == (row.problems, row.correct)


def _spent(phases: Iterable[Phase]) -> dict[tuple[int, Part], Spent]:
    found: dict[tuple[int, Part], Spent] = {}
    for phase in phases:
        key = phase.iteration or 0, part_of(phase)
        found[key] = found.get(key, Spent()) + _spent_by(phase)
    return found


def part_of(phase: Phase) -> Part:
    """What a phase spends for: data, training or evaluation; the validation of a policy is an evaluation."""
    if phase.kind == "train":
        return "training"
    return "evaluation" if phase.kind == "evaluate" or phase.name.endswith(".validate") else "data"


def _spent_by(phase: Phase) -> Spent:
    def count(name: str) -> int:
        value = phase.summary.get(name)
        return value if type(value) is int else 0

    trained = phase.summary.get("tokens") if phase.kind == "train" else None
    return Spent(
        count("policy_tokens") + count("critic_tokens"),
        count("value_tokens"),
        trained if type(trained) is int else None,
        phase.seconds or 0.0,
    )


def _figures(layout: RunLayout, journal: Journal, notes: list[str]) -> dict[tuple[int, str], float]:
    found: dict[tuple[int, str], float] = {}
    try:
        for metric in read_metrics(layout):
            phase = journal.phases.get(metric.phase)
            iteration = metric.iteration if metric.iteration is not None else phase and phase.iteration
            if metric.name.startswith(DATA_FIGURES):
                found[iteration or 0, metric.name] = metric.value
        for row in read_checkpoints(layout):
            auc = row.metrics.get("auc")
            if row.kind == "value" and isinstance(auc, int | float):
                found[row.iteration, VALUE_AUC] = float(auc)
    except StoreError as error:
        notes.append(f"figures cannot be read ({error})")
    return found
