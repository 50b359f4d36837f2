"""Phases that measure accuracy on held-out problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from restmcts.evaluation.budgets import AnswerAt, answers_at
from restmcts.evaluation.statistics import wilson
from restmcts.iterate.context import Context, Summary
from restmcts.iterate.searching import run_search_phase, search_tasks
from restmcts.problems.problem import Problem
from restmcts.recipe import EvaluatedMethod
from restmcts.search.registry import METHODS, row_name
from restmcts.search.running.task import Engines, SearchTask
from store.records import Evaluation

GREEDY = EvaluatedMethod(method="greedy")


def evaluate_phase(
    context: Context,
    phase: str,
    iteration: int,
    engines: Engines,
    methods: Sequence[EvaluatedMethod],
    problems: Sequence[Problem],
    *,
    traces: Sequence[float],
    trace_tokens: float,
    label: str | None = None,
) -> Summary:
    """Search every problem by every method once, at the largest budget, and read all budgets off it.

    Args:
        traces: budgets in mean traces.
        trace_tokens: length of the mean trace, in tokens.
        label: what the rows are called instead of the method.

    Returns:
        The summary, with a row for each method, answer rule and budget under ``rows``.
    """
    budgets = sorted({budget_tokens(count, trace_tokens): count for count in traces}.items())
    tasks: list[SearchTask] = []
    answer_rules: dict[int, tuple[str, list[str]]] = {}
    for choice in methods:
        settings = choice.build()
        one_trace = METHODS[choice.method].one_trace
        first = len(tasks)
        tasks += search_tasks(
            context,
            phase,
            problems,
            choice.method,
            settings,
            engines,
            budget=None if one_trace else budgets[-1][0],
            first_number=first,
        )
        rules: list[str] = list(choice.answers) or [settings.answer_by]
        answer_rules |= dict.fromkeys(range(first, len(tasks)), (choice.method, rules))
    summary = run_search_phase(context, phase, tasks, engines)
    rows = _rows(context, phase, iteration, answer_rules, budgets)
    if label is not None:
        rows = [replace(row, method=label) for row in rows]
    for row in rows:
        context.writer.add_evaluation(row)
    return summary | {"rows": [_brief(row) for row in rows]}


def budget_tokens(traces: float, trace_tokens: float) -> int:
    """A budget of so many mean traces, in tokens; at least one."""
    return max(1, round(traces * trace_tokens))


def _rows(
    context: Context,
    phase: str,
    iteration: int,
    answer_rules: dict[int, tuple[str, list[str]]],
    budgets: Sequence[tuple[int, float]],
) -> list[Evaluation]:
    """One row for each method, rule and budget, over all problems."""
    cells: dict[tuple[str, str, int | None], list[AnswerAt]] = defaultdict(list)
    counts: dict[int | None, float | None] = dict(budgets)
    for record in context.writer.read_trees(phase):
        method, rules = answer_rules[int(record.header.id.rpartition("/")[2])]
        cuts: list[int | None] = [None] if METHODS[method].one_trace else [tokens for tokens, _ in budgets]
        for rule, answers in answers_at(record, cuts, rules).items():
            for answer in answers:
                cells[method, rule, answer.budget].append(answer)
    rows = []
    for (method, rule, budget), answers in cells.items():
        correct = sum(answer.correct for answer in answers)
        share = wilson(correct, len(answers))
        rows.append(
            Evaluation(
                run="",
                phase=phase,
                iteration=iteration,
                method=row_name(method, rule),
                budget=budget,
                traces=1.0 if budget is None else counts[budget],
                problems=len(answers),
                correct=correct,
                accuracy=share.value,
                low=share.low,
                high=share.high,
                policy_tokens=fmean(answer.cost.generated for answer in answers),
                value_tokens=0.0 if rule == "majority" else fmean(a.cost.value for a in answers),
            )
        )
    return rows


def _brief(row: Evaluation) -> dict[str, float | str | int | None]:
    return {
        "method": row.method,
        "traces": row.traces,
        "accuracy": row.accuracy,
        "low": row.low,
        "high": row.high,
        "problems": row.problems,
        "policy_tokens": row.policy_tokens,
        "value_tokens": row.value_tokens,
    }
