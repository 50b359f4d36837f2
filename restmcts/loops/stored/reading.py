"""How stored searches are read: what their method says about them, from their headers alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from hashlib import blake2b

from restmcts.evaluation.ceiling import CEILING
from restmcts.evaluation.curves import CurvePoint, curve
from restmcts.evaluation.outcomes import Reading
from restmcts.evaluation.usage import ORDERS
from restmcts.search.registry import exchangeable_from, needs_value, stored_settings
from store.events import Header, SearchRecord

_OF_THE_PROBLEM = {"id", "problem", "question", "oracle", "seed"}


def asked(header: Header) -> str:
    """A digest of what a search was asked to do, whatever its problem: its method, settings and models."""
    values = {name: value for name, value in asdict(header).items() if name not in _OF_THE_PROBLEM}
    values["settings"] = sorted(header.settings.items())
    return blake2b(repr(sorted(values.items())).encode("utf-8", "replace"), digest_size=8).hexdigest()


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
    """The curves of one choice of a method by answer rules; see :func:`restmcts.evaluation.curves.curve`."""
    return curve(
        records, axis, grid, lambda record, budgets: reading_of(record.header, rules, budgets, orders=orders)
    )
