"""Phases that measure accuracy on held-out problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from restmcts.errors import InputError
from restmcts.evaluation.reading.ceiling import ceiling_name
from restmcts.evaluation.reading.outcomes import Reading, RowOutcomes, outcomes
from restmcts.loops.results import Evaluated
from restmcts.loops.run import Run
from restmcts.loops.stored.reading import outcomes_of, reading_of, row_of
from restmcts.loops.work.reuse import take_over_searches
from restmcts.loops.work.searching import run_tasks, search_tasks
from restmcts.problems.problem import Problem
from restmcts.search.choice import EvaluatedMethod
from restmcts.search.registry import METHODS, needs_value, row_name
from restmcts.search.running.task import SearchTask
from restmcts.search.settings import Limits
from restmcts.workers.base import Models
from store.answering.rules import RULES
from store.events import Header, SearchRecord
from store.records import CEILING, Evaluation

GREEDY = EvaluatedMethod(method="greedy")


def evaluate(
    run: Run,
    phase: str,
    iteration: int,
    models: Models,
    methods: Sequence[EvaluatedMethod],
    problems: Sequence[Problem],
    *,
    budgets: Mapping[int, float | None],
    limits: Limits | None = None,
    label: str | None = None,
    extendable: bool = False,
    ceilings: bool = False,
) -> Evaluated:
    """Search every problem by every method once, at the largest budget, and read all budgets off it.

    Args:
        models: the models to search with. Without a value model, methods are answered by the rules that need
            none.
        budgets: generated tokens a problem, each with the number of mean traces that they are worth, if
            known. A method that takes one greedy trace has no budget.
        limits: further limits of a search; None: those of the recipe.
        label: what the rows are called instead of the method.
        extendable: number the searches problem by problem, so that further problems may follow later; take
            over what other evaluations have searched already.
        ceilings: add rows that say how often any solution in a tree is right.

    Returns:
        What was searched, with a row for each method, answer rule and budget.

    Raises:
        InputError: a method needs a value model, and there is none.
    """
    if models.value is None:
        methods = [without_value(method) for method in methods]
    limits = run.recipe.evaluation.limits if limits is None else limits
    tasks, read = _planned(
        run, phase, methods, problems, budgets, limits, extendable=extendable, ceilings=ceilings
    )
    with run.workers(models) as workers:
        if extendable:
            take_over_searches(run, phase, tasks, workers)
        searched = run_tasks(run, phase, tasks, workers)
    traces: dict[int | None, float | None] = {None: 1.0}
    traces.update(budgets.items())
    found = _rows(run, phase, iteration, read, traces)
    rows = [row if label is None else replace(row, method=label) for row, _ in found]
    for row, (_, behind) in zip(rows, found, strict=True):
        run.writer.add_evaluation(row)
        run.writer.add_outcomes(outcomes_of(row, behind))
    return Evaluated(**vars(searched), rows=[_brief(row) for row in rows])


@dataclass(frozen=True, slots=True)
class Read:
    """What is read off the trees of one choice of a method, whose first tree has the number ``first``.

    ``names``: what the row of each answer rule is called, and that of the ceiling; ``cuts``: the budgets,
    None for the whole tree.
    """

    first: int
    names: dict[str, str]
    cuts: list[int | None]


def _planned(
    run: Run,
    phase: str,
    methods: Sequence[EvaluatedMethod],
    problems: Sequence[Problem],
    budgets: Mapping[int, float | None],
    limits: Limits,
    *,
    extendable: bool,
    ceilings: bool,
) -> tuple[list[SearchTask], dict[int, Read]]:
    """The searches of an evaluation, and by their numbers what is read off their trees."""
    tasks: list[SearchTask] = []
    read: dict[int, Read] = {}
    for place, (choice, names) in enumerate(zip(methods, row_names(methods), strict=True)):
        settings = choice.build()
        one_trace = METHODS[choice.method].one_trace
        first, stride = (place, len(methods)) if extendable else (len(tasks), 1)
        new = search_tasks(
            run,
            phase,
            problems,
            choice.method,
            settings,
            budget=None if one_trace else max(budgets),
            limits=limits,
            first_number=first,
            stride=stride,
            seeds_of="eval" if extendable else phase,
        )
        cuts: list[int | None] = [None] if one_trace else [*sorted(budgets)]
        read_off = dict(names)
        if ceilings and not one_trace:
            read_off[CEILING] = ceiling_name(choice.method) + _differing(choice, methods)
        read |= dict.fromkeys((task.number for task in new), Read(first, read_off, cuts))
        tasks += new
    return tasks, read


def without_value(method: EvaluatedMethod) -> EvaluatedMethod:
    """The method with the answer rules that need no value model.

    Raises:
        InputError: the method needs one all the same.
    """
    free = [rule for rule in method.answers if RULES[rule].reads == "nothing"]
    plain = method.model_copy(update={"answers": free})
    if needs_value(plain.method, plain.build()):
        raise InputError(f"method {method.method!r} needs a value model: give one with --value")
    return plain


def budgets_in_tokens(traces: Sequence[float], trace_tokens: float) -> dict[int, float | None]:
    """Budgets of mean traces as tokens, at least one, each with its number of traces."""
    return {max(1, round(count * trace_tokens)): count for count in traces}


def row_names(methods: Sequence[EvaluatedMethod]) -> list[dict[str, str]]:
    """What the row of each answer rule of each choice is called; no two rows have the same name.

    Choices of one method are told apart by the settings in which they differ, where these are not the
    defaults of the method; rows that would still have the same name are told apart by a number.
    """
    named = []
    for choice in methods:
        rules = dict.fromkeys(list(choice.answers) or [choice.build().answer_by])
        suffix = _differing(choice, methods)
        named.append({rule: row_name(choice.method, rule) + suffix for rule in rules})
    taken = Counter(name for names in named for name in names.values())
    seen: Counter[str] = Counter()
    for names in named:
        for rule, name in names.items():
            seen[name] += 1
            names[rule] = name if taken[name] == 1 else f"{name} #{seen[name]}"
    return named


def _differing(choice: EvaluatedMethod, methods: Sequence[EvaluatedMethod]) -> str:
    """The settings of a choice that other choices of its method have not, but its defaults, in brackets."""
    same = [other.settings for other in methods if other.method == choice.method]
    usual = METHODS[choice.method].settings.model_fields
    named = {
        key: value
        for key, value in choice.settings.items()
        if value != usual[key].default and any(other[key] != value for other in same)
    }
    return f" ({', '.join(f'{key}={value}' for key, value in named.items())})" if named else ""


def _rows(
    run: Run,
    phase: str,
    iteration: int,
    read: Mapping[int, Read],
    traces: Mapping[int | None, float | None],
) -> list[tuple[Evaluation, RowOutcomes]]:
    """One row for each choice of a method, rule and budget, over all problems with a verdict, and them."""
    headers: dict[str, Header] = {}

    def reading(record: SearchRecord) -> Reading:
        choice = read[int(record.header.id.rpartition("/")[2])]
        headers[str(choice.first)] = record.header
        orders = run.recipe.evaluation.orders
        return reading_of(
            record.header, list(choice.names), choice.cuts, orders=orders, choice=str(choice.first)
        )

    rows = []
    for (first, rule, budget), found in outcomes(run.writer.read_trees(phase), reading).items():
        cut = None if budget is None else int(budget)
        name = read[int(first)].names[rule]
        row = row_of(headers[first], phase, iteration, name, rule, cut, traces[cut], found)
        rows.append((row, found))
    return rows


def _brief(row: Evaluation) -> dict[str, float | str | int | None]:
    """The row as it stands in the summary of its phase."""
    left_out = {"run", "phase", "iteration", "correct", "searches"}
    return {name: value for name, value in asdict(row).items() if name not in left_out}
