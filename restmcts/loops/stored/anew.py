"""Stored trees answered, ranked, labelled and cut anew; no model is needed, and nothing is searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from restmcts.errors import InputError
from restmcts.evaluation.reading.counterfactuals import Answered, answer_anew, found_anew, with_constants
from restmcts.evaluation.reading.outcomes import Reading
from restmcts.evaluation.verification import ranking
from restmcts.grading.registry import GRADERS, Grader
from restmcts.loops.results import Evaluated, to_summary
from restmcts.loops.stored.measured import stored_orders
from restmcts.loops.stored.reading import reading_of, row_of
from restmcts.loops.work.evaluating import row_names
from restmcts.problems.problem import Problem
from restmcts.search.choice import EvaluatedMethod
from restmcts.search.registry import METHODS
from restmcts.search.running.driver import verified
from restmcts.settings import checked
from store.answering.rules import RULES
from store.encoding.searches import search_from
from store.events import Header, SearchRecord
from store.files.journal import Phase, read_journal
from store.files.jsonl import read_rows
from store.files.layout import RunLayout
from store.records import Evaluation
from store.runs.reading import read_evaluations
from store.runs.writer import RunWriter

Known = Mapping[tuple[str, str], Problem]
"""Problems by name and text."""


@dataclass(frozen=True, slots=True)
class Anew:
    """How stored trees are looked at.

    Attributes:
        answers: answer rules; none: all those whose values the trees have.
        budgets: generated tokens at which searches are cut; none: as they were evaluated.
        constants: those of answer rules, instead of the ones that a search had.
        grader: finds and grades all answers again; None: they stay as they are.
    """

    answers: Sequence[str] = ()
    budgets: Sequence[int] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    grader: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The trees of a phase of a run."""

    layout: RunLayout
    phase: Phase

    def __str__(self) -> str:
        return f"{self.layout.run}/{self.phase.name}"

    def records(self) -> Iterator[SearchRecord]:
        """The searches; those of a phase that is still written as far as they are there.

        Raises:
            StoreError: a line cannot be read; the message names it.
        """
        path = self.layout.plain(self.layout.trees(self.phase.name))
        for line, row in read_rows(path, whole=self.phase.status == "done"):
            yield search_from(row, f"{path}:{line.number}")

    def evaluated(self) -> dict[int, float | None]:
        """The budgets that the phase was evaluated at, each with its number of mean traces, if known."""
        rows = (row for row in read_evaluations(self.layout) if row.phase == self.phase.name)
        return {row.budget: row.traces for row in rows if row.budget is not None}


@dataclass(frozen=True, slots=True)
class FromTrees:
    """What the trees of a source say anew.

    Attributes:
        name: that of the phase which holds the rows, where they are stored.
        trees: how many were read.
        rows: one for each kind of search, answer rule and budget.
        ranks: how well finished solutions are ranked, by the names of method and score: the AUC with its
            interval (:func:`restmcts.evaluation.verification.ranking`).
        notes: what was left out, in words.
    """

    source: Source
    name: str
    trees: int
    rows: list[Evaluation]
    ranks: dict[str, dict[str, float]]
    notes: list[str]


def sources(root: Path, name: str) -> list[Source]:
    """The phases that ``RUN`` or ``RUN/PHASE`` means: of a run alone all its evaluations.

    Raises:
        InputError: there is no such run or phase, or it has no trees.
        StoreError: the journal of the run cannot be read.
    """
    run, _, wanted = name.partition("/")
    layout = RunLayout(root, run)
    if not layout.phases.exists():
        raise InputError(f"--from {name}: no run {run!r} in {root}")
    phases = [phase for phase in read_journal(layout).phases.values() if _has_trees(layout, phase.name)]
    chosen = [phase for phase in phases if (phase.name == wanted if wanted else phase.kind == "evaluate")]
    if not chosen:
        known = ", ".join(phase.name for phase in phases) or "none"
        which = f"phase {wanted!r} with trees" if wanted else "evaluation with trees"
        raise InputError(f"--from {name}: run {run!r} has no {which}; phases with trees: {known}")
    return [Source(layout, phase) for phase in chosen]


def _has_trees(layout: RunLayout, phase: str) -> bool:
    path = layout.plain(layout.trees(phase))
    return path.exists() and path.stat().st_size > 0


def from_trees(source: Source, wanted: Anew, problems: Known) -> FromTrees:
    """Answer the trees of a source anew.

    Args:
        problems: what is known of the problems besides their text and their answer, for a grader; a problem
            that is not there is what the tree says of it.

    Raises:
        InputError: a budget is larger than the one that was searched with, or no tree has the values that
            any of the rules reads.
        StoreError: a tree cannot be read.
    """
    evaluated = source.evaluated()
    how = partial(_how, wanted=wanted, source=source, evaluated=sorted(evaluated))
    with GRADERS.get(wanted.grader, "--grader").open() if wanted.grader else nullcontext() as grader:
        records = (_changed(record, wanted, grader, problems) for record in source.records())
        kinds = answer_anew(records, how)
    notes: list[str] = []
    rows: list[Evaluation] = []
    rules = [_rules(kind, wanted, source, notes) for kind in kinds]
    choices = [_choice(kind.header, kept) for kind, kept in zip(kinds, rules, strict=True)]
    name = _phase_name(source, wanted, kinds)
    for kind, kept, names in zip(kinds, rules, row_names(choices), strict=True):
        for (rule, cut), found in kind.rows.items():
            if rule in kept:
                budget = None if cut is None else int(cut)
                traces = None if budget is None else evaluated.get(budget)
                rows.append(
                    row_of(
                        kind.header, name, source.phase.iteration, names[rule], rule, budget, traces, found
                    )
                )
    if not rows:
        raise InputError(
            f"--from {source}: its trees have no values that {', '.join(wanted.answers)} could read; rules"
            f" that read none: {', '.join(rule for rule in RULES if RULES[rule].reads == 'nothing')}"
        )
    trees = sum(kind.trees for kind in kinds)
    return FromTrees(source, name, trees, rows, _ranks(kinds, choices), notes)


def _how(header: Header, *, wanted: Anew, source: Source, evaluated: Sequence[int]) -> Reading:
    rules = list(wanted.answers) or list(RULES)
    cuts = _cuts(header, source, sorted(set(wanted.budgets)), evaluated)
    return reading_of(header, rules, cuts, orders=stored_orders(source.layout))


def _cuts(header: Header, source: Source, asked: Sequence[int], evaluated: Sequence[int]) -> list[int | None]:
    if header.budget is None:
        one_trace = header.method in METHODS and METHODS[header.method].one_trace
        return [None] if one_trace or not asked else [*asked]
    if asked and asked[-1] > header.budget:
        raise InputError(
            f"--budget {asked[-1]}: {header.method} was searched with {header.budget} tokens a problem in"
            f" {source}, and nothing is searched with --from: ask for at most {header.budget}"
        )
    return [*(asked or [budget for budget in evaluated if budget <= header.budget] or [header.budget])]


def _changed(record: SearchRecord, wanted: Anew, grader: Grader | None, problems: Known) -> SearchRecord:
    header = record.header
    if wanted.constants:
        record = with_constants(record, wanted.constants)
    if grader is None:
        return record
    plain = Problem(header.problem, header.question, header.oracle)
    problem = problems.get((header.problem, header.question), plain)
    return verified(found_anew(record, problem, grader), problem, grader.grade)


def _rules(kind: Answered, wanted: Anew, source: Source, notes: list[str]) -> list[str]:
    """The rules by which searches of a kind are read."""
    header = kind.header
    if not wanted.answers and header.method in METHODS and METHODS[header.method].one_trace:
        return [header.answer_by]  # one trace has one answer
    lacking = [rule for rule in wanted.answers if rule in kind.unreadable]
    if lacking:
        notes.append(f"{source}: the trees of {header.method} lack values that {', '.join(lacking)} reads")
    return [rule for rule in wanted.answers or RULES if rule not in kind.unreadable]


def _choice(header: Header, rules: Sequence[str]) -> EvaluatedMethod:
    """The method of a stored search, with the rules that it is read by."""
    known = METHODS.get(header.method, header.id).settings.model_fields
    settings = {key: value for key, value in header.settings.items() if key in known and key != "read_by"}
    values = {"method": header.method, "settings": settings, "answers": [*rules]}
    return checked(EvaluatedMethod, values, header.id)


def _ranks(kinds: Sequence[Answered], choices: Sequence[EvaluatedMethod]) -> dict[str, dict[str, float]]:
    own = [choice.model_copy(update={"answers": []}) for choice in choices]
    found = {}
    for kind, names in zip(kinds, row_names(own), strict=True):
        (name,) = names.values()
        found[f"{name}, by value"] = ranking((group, value, right) for group, value, _, right in kind.ends)
        found[f"{name}, by likelihood"] = ranking((group, like, right) for group, _, like, right in kind.ends)
    return {name: figures for name, figures in found.items() if figures}


def _phase_name(source: Source, wanted: Anew, kinds: Iterable[Answered]) -> str:
    """The name of the phase that keeps the rows; equal questions about equal trees have equal names."""
    known = sorted((kind.header.id, kind.trees) for kind in kinds)
    asked = (list(wanted.answers), sorted(set(wanted.budgets)), dict(wanted.constants), wanted.grader)
    text = repr((source.phase.name, known, asked))
    return f"from-{blake2b(text.encode(), digest_size=8).hexdigest()}"


def keep(writer: RunWriter, found: FromTrees) -> None:
    """Store the rows as a phase of the run that the trees are of; one that is stored is not stored twice.

    The phase has searched nothing, so it has taken no tokens.

    Raises:
        StoreError: the run cannot be written.
    """
    if writer.phase_status(found.name) == "done":
        return
    finished = writer.is_finished
    writer.start_phase(found.name, "evaluate", found.source.phase.iteration)
    for row in found.rows:
        writer.add_evaluation(row)
    rows = [
        {key: getattr(row, key) for key in ("method", "budget", "traces", "accuracy", "problems")}
        for row in found.rows
    ]
    nothing = Evaluated(trees=0, solved=0, failed=0, answers=0, policy_tokens=0, value_tokens=0, rows=rows)
    writer.finish_phase(found.name, to_summary(nothing) | {"source": found.source.phase.name})
    if finished:
        writer.finish_run()
