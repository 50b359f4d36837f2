"""What a comparison needs of a stored run, read from its files; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import isclose
from pathlib import Path
from statistics import fmean
from typing import Any

from restmcts.errors import InputError
from restmcts.evaluation.comparison.runs import Measurement, Part, Point, RunFigures, Spent
from restmcts.evaluation.means import Problem
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.evaluation.reading.outcomes import Reading
from restmcts.evaluation.reading.outcomes import outcomes as outcomes_behind
from restmcts.evaluation.reading.usage import ORDERS
from restmcts.loops.run import START
from restmcts.loops.stored.reading import reading_of
from restmcts.recipe import Recipe, recipe_toml
from restmcts.recipe_text import parsed
from restmcts.search.registry import METHODS, row_name
from restmcts.settings import checked
from restmcts.stored_recipes import stored_text
from store.answering.rules import RULES
from store.asked import asked
from store.errors import StoreError
from store.events import SearchRecord
from store.files.journal import Journal, Phase, read_journal
from store.files.layout import RunLayout
from store.records import CEILING, Checkpoint, Evaluation, Outcomes
from store.runs.overrides import Overrides, overlay
from store.runs.reading import (
    read_checkpoints,
    read_evaluations,
    read_headers,
    read_metrics,
    read_outcomes,
    read_overrides,
    read_trees,
)

DATA_FIGURES = "data."
"""How the names of metrics begin that describe the trees of an iteration."""

VALUE_AUC = "value.auc"
"""The figure of a new value model on held-out trees; the names of those by depth begin with it too."""

AUC_AT = "auc.depth_"
"""How the names of the figures by depth begin."""

Answers = dict[Problem, float]
"""The outcome of each problem: 1 for right, 0 for wrong, or the share of orders in which it is right."""

Cell = tuple[str, str, float | None]
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
    values = _complete(parsed(stored_text(root, run), str(layout.config)))
    journal = read_journal(layout)
    notes: list[str] = []
    seed = values.pop("seed", 0)
    settings = flat(values)
    return RunFigures(
        name=name,
        recipe=str(settings.pop("recipe", name)),
        seed=seed if isinstance(seed, int) else 0,
        settings=settings,
        measured=_measured(layout, journal, notes),
        spent=_spent(journal.phases.values()),
        figures=_figures(layout, journal, notes),
        notes=[f"run {name}: {text}" for text in notes],
    )


def _complete(values: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the defaults of keys that it leaves out, as a run of this version stores it.

    A run of an earlier version leaves out the keys that came later. A recipe that cannot be read without its
    plug-ins stays as it is.
    """
    try:
        return parsed(recipe_toml(checked(Recipe, values, "")), "")
    except InputError:
        return values


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
        if of_the_loop(row.phase):
            by_phase.setdefault(row.phase, []).append(row)
    found: dict[Point, Measurement] = {}
    for phase, rows in by_phase.items():
        if phase not in journal.phases or journal.phases[phase].status != "done":
            notes.append(f"phase {phase} is not done; left out")
            continue
        for row, answers in zip(
            rows, outcomes(layout, phase, rows, notes, journal.phases[phase].started), strict=True
        ):
            point = Point(phase.startswith("final."), row.iteration or 0, row.method, row.traces)
            found[point] = measurement(row, answers)
    return found


def measurement(row: Evaluation, answers: Answers | None) -> Measurement:
    """What a row says, with the verdicts of now where the outcomes behind it are known."""
    correct: float = row.correct
    problems = row.problems
    if answers is not None:
        correct, problems = sum(answers.values()), len(answers)
    return Measurement(correct, problems, row.policy_tokens, row.value_tokens, answers)


def of_the_loop(phase: str) -> bool:
    """Whether a phase was part of the recipe, and not asked for by `restmcts eval`."""
    return phase.partition(".")[0].isdecimal() or phase.startswith("final.")


def outcomes(
    layout: RunLayout, phase: str, rows: Sequence[Evaluation], notes: list[str], started: str
) -> Sequence[Answers | None]:
    """The outcomes behind each row, as far as the stored trees give them; ``notes`` gets what they do not."""
    try:
        found = stored_outcomes(layout, phase, started, rows)
    except StoreError as error:
        notes.append(f"the answers of {phase} cannot be read ({error}); its rows are compared unpaired")
        return [None] * len(rows)
    unknown = [row.method for row, answers in zip(rows, found, strict=True) if answers is None]
    if unknown:
        notes.append(f"the trees of {phase} do not give the row of {', '.join(unknown)}; compared unpaired")
    return found


def stored_orders(layout: RunLayout) -> int:
    """The orders of traces that the recipe of a run asks for."""
    values = flat(parsed(stored_text(layout.root, layout.run), str(layout.config)))
    orders = values.get("evaluation.orders")
    return orders if type(orders) is int else ORDERS


def outcomes_of_rows(
    records: Iterable[SearchRecord],
    rows: Sequence[Evaluation],
    orders: int,
    now: Iterable[SearchRecord] | None = None,
) -> list[Answers | None]:
    """The outcome of each problem behind each row, from the searches that the row names.

    None: there are no such searches, or what they give is not what the row says.

    Args:
        records: the trees with the verdicts that the rows were counted from.
        rows: the rows of one phase.
        orders: orders of exchangeable traces that are averaged.
        now: the trees with the verdicts of now; None: the same.
    """
    wanted: dict[str, tuple[dict[str, None], dict[int | None, None]]] = {}
    for row in rows:
        rules, budgets = wanted.setdefault(row.searches or "", ({}, {}))
        rules[row.rule or ""] = budgets[row.budget] = None

    def reading(record: SearchRecord) -> Reading:
        rules, budgets = wanted.get(asked(record.header), ({}, {}))
        known = [rule for rule in rules if rule in RULES or rule == CEILING]
        return reading_of(record.header, known, list(budgets), orders=orders)

    found = outcomes_behind(records, reading)
    changed = found if now is None else outcomes_behind(now, reading)
    keys = [(row.searches or "", row.rule or "", row.budget) for row in rows]
    return [
        changed[key].shares if key in found and _agree(found[key].shares, row) else None
        for key, row in zip(keys, rows, strict=True)
    ]


def _agree(answers: Answers, row: Evaluation) -> bool:
    same = len(answers) == row.problems
    return same and isclose(fmean(answers.values() or [0.0]), row.accuracy, abs_tol=1e-9)


def stored_outcomes(
    layout: RunLayout, phase: str, started: str, rows: Sequence[Evaluation]
) -> list[Answers | None]:
    """The outcomes behind the rows of a stored phase, with those that a person has changed since.

    Args:
        started: when the phase was started last: its rows have the verdicts of that time.

    Raises:
        StoreError: a file cannot be read.
    """
    changed = read_overrides(layout)
    known = changed.before(started)
    if known.log == changed.log:
        written = written_outcomes(layout, phase, rows)
        if None not in written:
            return written
    stored = partial(read_trees, layout, phase, Overrides())
    if all(row.searches is not None for row in rows):
        before = (overlay(record, known) for record in stored())
        now = None if known.log == changed.log else (overlay(record, changed) for record in stored())
        return outcomes_of_rows(before, rows, stored_orders(layout), now)
    return verdicts(((overlay(record, known), overlay(record, changed)) for record in stored()), rows)


def written_outcomes(layout: RunLayout, phase: str, rows: Sequence[Evaluation]) -> list[Answers | None]:
    """The outcomes that an evaluation wrote beside its rows; None where it has not, or where they differ.

    Raises:
        StoreError: a file cannot be read.
    """
    behind = {(row.method, row.rule, row.budget): row for row in read_outcomes(layout, phase)}
    if not behind:
        return [None] * len(rows)
    questions = {
        header.id: (header.problem, header.question)
        for searched in dict.fromkeys(row.searched_in for row in behind.values())
        for header in read_headers(layout, searched)
    }
    found: list[Answers | None] = []
    for row in rows:
        outcome = behind.get((row.method, row.rule or "", row.budget))
        answers = {} if outcome is None else _answers(outcome, questions)
        found.append(answers if _agree(answers, row) else None)
    return found


def _answers(outcome: Outcomes, questions: Mapping[str, Problem]) -> Answers:
    shares = zip(outcome.numbers, outcome.shares, strict=True)
    named = ((questions.get(f"{outcome.searched_in}/{number}"), share) for number, share in shares)
    return {problem: share for problem, share in named if problem is not None and share is not None}


def verdicts(
    records: Iterable[tuple[SearchRecord, SearchRecord]], rows: Sequence[Evaluation]
) -> list[Answers | None]:
    """The same for rows of earlier versions, which do not say where they come from.

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
    return {problem: float(right) for problem, right in cell.items() if right is not None}


def _wanted(method: str, own_rule: str, rows: Sequence[Evaluation]) -> dict[str, list[int | None]]:
    """The answer rules and budgets that rows have of a method; its own rule where no name fits.

    A rule that this version does not know gives no answers.
    """
    found: dict[str, list[int | None]] = {}
    for rule in RULES:
        budgets = [row.budget for row in rows if _fits(method, rule, row.method)]
        if budgets:
            found[rule] = list(dict.fromkeys(budgets))
    if found or own_rule not in RULES:
        return found
    return {own_rule: list(dict.fromkeys(row.budget for row in rows))}


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
        found |= value_aucs(read_checkpoints(layout))
    except StoreError as error:
        notes.append(f"figures cannot be read ({error})")
    return found


def value_aucs(checkpoints: Iterable[Checkpoint]) -> dict[tuple[int, str], float]:
    """The AUC on held-out trees of the value model that each iteration made, of all depths and by depth.

    Of two models of an iteration it is the one that was carried on.
    """
    judged = [row for row in checkpoints if row.kind in {START, "value"} and "auc" in row.metrics]
    chosen = {row.iteration: row for row in sorted(judged, key=lambda row: row.carried)}
    return {
        (iteration, f"value.{name}"): float(figure)
        for iteration, row in chosen.items()
        for name, figure in row.metrics.items()
        if (name == "auc" or name.startswith(AUC_AT)) and isinstance(figure, int | float)
    }
