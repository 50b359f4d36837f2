"""How stored searches are read: what their method says about them, from their headers alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from restmcts.evaluation.reading.curves import CurvePoint, curve
from restmcts.evaluation.reading.flops import flops_axis
from restmcts.evaluation.reading.outcomes import Reading, RowOutcomes
from restmcts.evaluation.reading.usage import ORDERS
from restmcts.search.registry import exchangeable_from, needs_value, stored_settings
from store.asked import asked
from store.events import Header, SearchRecord
from store.records import CEILING, Evaluation, Outcomes


def reading_of(
    header: Header,
    rules: Sequence[str],
    budgets: Sequence[float | None],
    *,
    orders: int = ORDERS,
    choice: str | None = None,
) -> Reading:
    """How a stored search is read by answer rules at budgets in generated tokens.

    Args:
        orders: orders of exchangeable traces that are averaged; 0: the order in which they came.
        choice: what the choice of a method is called; None: a digest of what it was asked to do.
    """
    settings = stored_settings(header)
    unvalued: set[str] = set()
    if settings is not None:
        for rule in set(rules) - {CEILING}:
            alone = settings.model_copy(update={"answer_by": rule, "read_by": []})
            if not needs_value(header.method, alone):
                unvalued.add(rule)
    return Reading(
        choice=asked(header) if choice is None else choice,
        rules=rules,
        budgets=budgets,
        unvalued=frozenset(unvalued),
        exchangeable=None if settings is None else exchangeable_from(header.method, settings),
        orders=orders,
    )


def curves_of(
    records: Collection[SearchRecord],
    rules: Sequence[str],
    axis: str,
    grid: Sequence[float],
    *,
    orders: int = ORDERS,
) -> dict[str, list[CurvePoint]]:
    """The curves of one choice of a method, see :func:`restmcts.evaluation.reading.curves.curve`."""
    return curve(
        records, axis, grid, lambda record, budgets: reading_of(record.header, rules, budgets, orders=orders)
    )


def row_of(
    header: Header,
    phase: str,
    iteration: int | None,
    name: str,
    rule: str,
    budget: int | None,
    traces: float | None,
    found: RowOutcomes,
) -> Evaluation:
    """The row of an evaluation.

    Args:
        header: that of one of its searches.
        phase: the phase that the row belongs to.
        iteration: that of the models.
        name: what the row is called.
        rule: the answer rule, or the ceiling.
        budget: generated tokens a problem; None: no limit.
        traces: how many mean traces that is, if known.
        found: the outcomes of the problems.
    """
    share, usage, flops = found.accuracy, found.usage, flops_axis(header.settings)
    return Evaluation(
        run="",
        phase=phase,
        iteration=iteration,
        method=name,
        budget=budget,
        traces=traces,
        problems=len(found.shares),
        correct=round(sum(found.shares.values())),
        accuracy=share.value,
        low=share.low,
        high=share.high,
        policy_tokens=usage.generated,
        value_tokens=usage.value,
        critic_tokens=usage.critic,
        prompt_tokens=usage.prompt,
        calls=usage.calls,
        flops=None if flops is None else flops.of(usage),
        searches=asked(header),
        rule=rule,
    )


def outcomes_of(row: Evaluation, found: RowOutcomes) -> Outcomes:
    """What each problem behind a row of an evaluation was worth, to be stored beside it."""
    assert row.rule is not None, "a row that is read from searches has a rule"
    behind = found.behind
    return Outcomes(
        run="",
        phase=row.phase,
        method=row.method,
        rule=row.rule,
        budget=row.budget,
        problems=tuple(each.problem for each in behind),
        numbers=tuple(each.number for each in behind),
        shares=tuple(each.share for each in behind),
        tokens=tuple(each.tokens for each in behind),
    )
