"""One token budget for all test problems: searches stop where they are sure, and others take what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from statistics import fmean
from typing import Any

from restmcts.errors import InputError
from restmcts.evaluation.reading.budgets import answers_at
from restmcts.evaluation.shared_budget import (
    CAPS,
    Course,
    Ends,
    Gate,
    beside_fixed,
    choose_gate,
    course,
    next_budgets,
)
from restmcts.loops.results import Evaluated, Searched
from restmcts.loops.run import Run
from restmcts.loops.work.evaluating import row_names
from restmcts.loops.work.reuse import take_over_searches
from restmcts.loops.work.searching import Parts, run_tasks, search_tasks
from restmcts.problems.problem import Problem
from restmcts.problems.splits import plain_text
from restmcts.search.choice import EvaluatedMethod
from restmcts.search.registry import method_settings
from restmcts.search.running.task import SearchTask
from restmcts.workers.base import Models
from store.answering.rules import SURE
from store.events import SearchRecord
from store.records import Evaluation

VALIDATION_PROBLEMS = 200
"""So many validation problems are searched at most, to choose thresholds by."""

STORED = ("method", "budget", "problems", "accuracy", "low", "high", "policy_tokens")
"""What the stored row of a shared budget has of the one in the summary."""

SEEDS = "eval"
"""Evaluations make their seeds from this, so that all of them search alike."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """A method that is answered by a rule, at a mean number of tokens a problem.

    ``place``: that of the method among those that are compared; ``name``: what its row is called.
    """

    choice: EvaluatedMethod
    place: int
    rule: str
    name: str
    mean: int

    def task(self, task: SearchTask, gate: Gate) -> SearchTask:
        """The search that stops at a gate."""
        known = {**self.choice.settings, "answer_by": self.rule, "read_by": []}
        values = known | {"confidence_gate": gate.threshold}
        return replace(
            task, settings=method_settings(task.method, values, "--budget-shared"), budget=gate.cap
        )


def sharings(methods: Sequence[EvaluatedMethod], means: Sequence[int]) -> list[Sharing]:
    """Every method and rule that says how sure it is, at each of the means.

    Raises:
        InputError: there is none.
    """
    found = [
        Sharing(choice, place, rule, name, mean)
        for place, (choice, names) in enumerate(zip(methods, row_names(methods), strict=True))
        for rule, name in names.items()
        if rule in SURE
        for mean in means
    ]
    if not found:
        raise InputError(
            "--budget-shared: none of the methods says how sure it is of its answer; the answer rules that do"
            f" are {', '.join(SURE)}: take for example --method self-consistency"
        )
    return found


def check_validation(run: Run) -> list[Problem]:
    """The validation problems to choose thresholds by.

    Raises:
        InputError: there are none, or one of them is a test problem too.
    """
    problems = run.problems.validation[:VALIDATION_PROBLEMS]
    if not problems:
        raise InputError(
            "--budget-shared chooses its threshold on validation problems, and there are none: give some with"
            " --validation FILE"
        )
    texts = {plain_text(problem.text): problem.id for problem in run.problems.test}
    shared = next((problem for problem in problems if plain_text(problem.text) in texts), None)
    if shared is not None:
        raise InputError(
            f"the validation problem {shared.id!r} is also the test problem"
            f" {texts[plain_text(shared.text)]!r}: give other problems with --validation FILE"
        )
    return problems


def search_validation(
    run: Run,
    phase: str,
    models: Models,
    methods: Sequence[EvaluatedMethod],
    problems: list[Problem],
    most: int,
) -> Searched:
    """Search validation problems by every method, each with the tokens of the largest cap."""
    tasks = [
        task
        for place, choice in enumerate(methods)
        for task in search_tasks(
            run,
            phase,
            problems,
            choice.method,
            choice.build(),
            budget=most,
            first_number=place,
            stride=len(methods),
            seeds_of=SEEDS,
        )
    ]
    with run.workers(models) as workers:
        take_over_searches(run, phase, tasks, workers)
        return run_tasks(run, phase, tasks, workers)


def largest_cap(means: Iterable[int]) -> int:
    """The most tokens that a problem may take at any of the means."""
    return max(1, round(max(means) * max(CAPS)))


def gates(run: Run, phase: str, wanted: Sequence[Sharing], methods: int) -> list[Gate]:
    """The gate of each of the sharings, chosen on the searches of ``phase`` by so many ``methods``."""
    records = list(run.writer.read_trees(phase))
    found = []
    courses: dict[tuple[int, str], list[Course]] = {}
    for each in wanted:
        key = each.place, each.rule
        if key not in courses:
            own = (record for record in records if number_of(record) % methods == each.place)
            courses[key] = [course(record, each.rule) for record in own if record.result.reason != "failed"]
        found.append(choose_gate(courses[key], each.mean, seed=run.seed(SEEDS, "orders")))
    return found


def number_of(record: SearchRecord) -> int:
    """The number of a search in its phase."""
    return int(record.header.id.rpartition("/")[2])


def share(
    run: Run,
    phase: str,
    iteration: int,
    models: Models,
    wanted: Sequence[Sharing],
    chosen: Sequence[Gate],
    fixed: Callable[[Sharing], Ends],
) -> Evaluated:
    """Search the test problems with a shared budget, and compare with the same mean for every problem.

    Args:
        fixed: where searches end that have the fixed budget.

    Returns:
        A row for each of ``wanted``, with the gate, the difference with its interval, and what was taken.
    """
    tasks: list[SearchTask] = []
    for number, (each, gate) in enumerate(zip(wanted, chosen, strict=True)):
        problems, settings = run.problems.test, each.choice.build()
        plain = search_tasks(
            run,
            phase,
            problems,
            each.choice.method,
            settings,
            budget=gate.cap,
            first_number=number,
            stride=len(wanted),
            seeds_of=SEEDS,
        )
        tasks += [each.task(task, gate) for task in plain]
    with run.workers(models) as workers:
        searched = run_tasks(run, phase, tasks, workers, parts=_parts(wanted, chosen))
    found: list[list[SearchRecord]] = [[] for _ in wanted]
    for record in run.writer.read_trees(phase):
        found[number_of(record) % len(wanted)].append(record)
    rows = []
    for each, gate, records in zip(wanted, chosen, found, strict=True):
        row, more = _row(phase, iteration, each, gate, records, fixed(each))
        run.writer.add_evaluation(row)
        rows.append(more)
    return Evaluated(**vars(searched), rows=rows)


def _parts(wanted: Sequence[Sharing], chosen: Sequence[Gate]) -> Parts:
    """The searches of all sharings in rounds; each sharing keeps to its own budget."""

    def parts(
        tasks: Sequence[SearchTask], taken: Callable[[SearchTask], int]
    ) -> Iterator[Sequence[SearchTask]]:
        rounds = [
            _rounds([task for task in tasks if task.number % len(wanted) == number], gate, each.mean, taken)
            for number, (each, gate) in enumerate(zip(wanted, chosen, strict=True))
        ]
        for together in zip_longest(*rounds, fillvalue=()):
            yield list(chain.from_iterable(together))

    return parts


def _rounds(
    tasks: Sequence[SearchTask], gate: Gate, mean: int, taken: Callable[[SearchTask], int]
) -> Iterator[Sequence[SearchTask]]:
    """The searches of one sharing, never more than ``mean`` tokens for each of them together."""
    left, waiting = mean * len(tasks), list(tasks)
    while waiting:
        budgets = next_budgets(left, len(waiting), gate.cap, mean)
        started = [replace(task, budget=budget) for task, budget in zip(waiting, budgets, strict=False)]
        yield started
        left -= sum(map(taken, started))
        del waiting[: len(started)]


def fixed_budget(run: Run, phase: str, methods: int, each: Sharing) -> Ends:
    """Where searches end that have the fixed budget, from an evaluation by so many ``methods``."""
    found = {}
    for record in run.writer.read_trees(phase):
        if number_of(record) % methods == each.place:
            (answer,) = answers_at(record, [each.mean], [each.rule])[each.rule]
            spent = min(each.mean, record.result.cost.generated)
            found[record.header.problem, record.header.question] = answer.correct, spent
    return found


def _row(
    phase: str, iteration: int, each: Sharing, gate: Gate, records: Sequence[SearchRecord], fixed: Ends
) -> tuple[Evaluation, dict[str, Any]]:
    """The row that is stored, and the one of the summary, which has what it is compared with."""
    results = [(record.header, record.result) for record in records]
    shared: Ends = {
        (header.problem, header.question): (result.correct, result.cost.generated)
        for header, result in results
    }
    more = beside_fixed(f"{each.name}, shared budget", each.mean, [gate], shared, fixed)
    row = Evaluation(
        run="",
        phase=phase,
        iteration=iteration,
        traces=None,
        correct=sum(verdict is True for verdict, _ in shared.values()),
        value_tokens=fmean(result.cost.value for _, result in results),
        **{name: more[name] for name in STORED},
    )
    return row, more
