"""Lists, counts and histograms of searches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from store.errors import InputError
from store.index.reading.filters import condition, figure, phrase
from store.index.reading.rows import flag, members
from store.queries import Bin, TreeFilter
from store.records import TreeSummary

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from store.index.reading.rows import Rows

_ORDERS = {
    "id": "phase, number",
    "tokens": "policy_tokens + critic_tokens",
} | {
    name: name
    for name in (
        "phase",
        "iteration",
        "number",
        "problem",
        "method",
        "answer",
        "correct",
        "reason",
        "nodes",
        "finished",
        "policy_tokens",
        "value_tokens",
        "seconds",
        "seed",
        "depth",
        "leaves",
        "right",
        "distinct_answers",
        "best_right",
        "best_wrong",
        "first_right_tokens",
        "answer_changes",
        "rounds",
        "idle_rounds",
    )
}

ORDERS = tuple(_ORDERS)
"""What :meth:`store.index.reader.StoreReader.trees` can sort by."""

# The inner query, which is one of the three below, sorts keys alone, and no whole rows.
_PAGE = """
SELECT trees.*, page.total,
    (SELECT question FROM problems WHERE {of_the_tree}) AS question,
    (SELECT oracle FROM problems WHERE {of_the_tree}) AS oracle
FROM ({found}) AS page
CROSS JOIN trees ON trees.run = ? AND trees.phase = page.p AND trees.number = page.n
ORDER BY {order}
"""

_FOUND = """
SELECT phase AS p, number AS n, NULL AS total FROM trees WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?
"""

# Looking for a text takes longest: page and number of all come from one look. SQLite 3.40 must not sort the
# searches that it looks up by a list of names before it has all of them: it would leave some out.
_COUNTED = """
WITH found AS MATERIALIZED (SELECT {keys} FROM trees WHERE {where})
SELECT phase AS p, number AS n, (SELECT count(*) FROM found) AS total
FROM found ORDER BY {order} LIMIT ? OFFSET ?
"""

# Of a text that many searches have, a page is among the first of the list: only these are looked at.
_AHEAD_FOUND = """
SELECT phase AS p, number AS n, NULL AS total
FROM (SELECT {keys} FROM trees WHERE run = ? ORDER BY {order} LIMIT ?) AS trees
WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?
"""

_SEARCHED = """
SELECT found.phase, found.method
FROM (SELECT DISTINCT phase, method FROM trees WHERE run = ?1 AND correct IS NOT NULL) AS found
LEFT JOIN phases ON phases.run = ?1 AND phases.name = found.phase
ORDER BY phases.position, found.method
"""

_OF_THE_TREE = (
    "problems.run = trees.run AND problems.phase = trees.phase AND problems.problem = trees.problem"
)

_MATCHES = """
SELECT count(*) FROM steps CROSS JOIN documents ON documents.document = steps.rowid
WHERE steps MATCH ? AND documents.run = ?
"""

_COMMON = 20_000
"""From so many searches on, those that have a text in a step are found in the order of the list."""

_AHEAD = 32
"""So many times as many searches as a page ends with are the first of the list."""

_FAR = 1000
"""Pages that end behind so many searches are not looked for among the first of the list."""

_HISTOGRAM = """
WITH scale (low, width, bins) AS (SELECT ?, ?, ?)
SELECT CASE WHEN width > 0 THEN min(CAST((figure - low) / width AS INTEGER), bins - 1) ELSE 0 END AS bin,
    count(*) AS count, coalesce(sum(correct), 0) AS correct
FROM scale, (SELECT {figure} AS figure, correct FROM trees WHERE {where})
WHERE figure IS NOT NULL GROUP BY bin
"""


def page(
    rows: Rows,
    wanted: TreeFilter,
    noted: Iterable[str],
    order_by: str,
    descending: bool,
    limit: int,
    offset: int,
) -> list[TreeSummary]:
    """A page of the searches that pass a filter; see :meth:`store.index.reader.StoreReader.trees`."""
    return [summary(row) for row in _page(rows, wanted, noted, order_by, descending, limit, offset)]


def _page(
    rows: Rows,
    wanted: TreeFilter,
    noted: Iterable[str],
    order_by: str,
    descending: bool,
    limit: int,
    offset: int,
) -> list[sqlite3.Row]:
    """The rows of a page; ``total`` is the number of all searches that pass the filter, where it is known."""
    common = _is_common(rows, wanted)
    where, values = condition(wanted, noted, common=common)
    ends = (limit, offset, wanted.run)
    if common and _is_text_alone(wanted) and offset + limit <= _FAR:
        first = (wanted.run, _AHEAD * (offset + limit))
        found = rows(_paged(_AHEAD_FOUND, where, order_by, descending), (*first, *values, *ends))
        if len(found) == limit:
            return found
    source = _COUNTED if wanted.step_text else _FOUND
    return rows(_paged(source, where, order_by, descending), (*values, *ends))


def _paged(found: str, where: str, order_by: str, descending: bool) -> str:
    """The query of a page, by the query that finds its searches."""
    if order_by not in _ORDERS:
        raise InputError(f"cannot sort by {order_by!r}; use one of {', '.join(ORDERS)}")
    order = _order(order_by, descending)
    keys = ", ".join(dict.fromkeys(["run", "phase", "number", *re.findall(r"\w+", _ORDERS[order_by])]))
    return _PAGE.format(
        found=found.format(where=where, order=order, keys=keys), order=order, of_the_tree=_OF_THE_TREE
    )


def counted_page(
    rows: Rows,
    wanted: TreeFilter,
    noted: Iterable[str],
    order_by: str,
    descending: bool,
    limit: int,
    offset: int,
) -> tuple[list[TreeSummary], int]:
    """A page and the number of all; see :meth:`store.index.reader.StoreReader.counted_trees`."""
    first = _page(rows, wanted, noted, order_by, descending, limit, offset)
    found = [summary(row) for row in first]
    if first and first[0]["total"] is not None:
        return found, first[0]["total"]
    if len(found) < limit and (found or not offset):
        return found, offset + len(found)  # it is the last page, so that nothing need be counted
    total = count(rows, wanted, noted)
    return found or page(rows, wanted, noted, order_by, descending, limit, _last(total, limit)), total


def _last(total: int, limit: int) -> int:
    """Where the last page begins."""
    return max(0, -(-total // limit) - 1) * limit


def count(rows: Rows, wanted: TreeFilter, noted: Iterable[str]) -> int:
    """How many searches pass a filter."""
    if _is_text_alone(wanted):
        # The full-text index alone knows; searches are as many, and need not be looked up.
        return int(rows(_MATCHES, (phrase(wanted.step_text), wanted.run))[0][0])
    where, values = condition(wanted, noted, common=_is_common(rows, wanted))
    found = rows(f"SELECT count(*) FROM trees WHERE {where}", values)
    return int(found[0][0]) if found else 0


def _is_text_alone(wanted: TreeFilter) -> bool:
    """Whether a filter asks for nothing but a text in steps."""
    return bool(wanted.step_text) and wanted == TreeFilter(wanted.run, step_text=wanted.step_text)


def _is_common(rows: Rows, wanted: TreeFilter) -> bool:
    """Whether many searches have the text for steps, which says how they are found soonest."""
    if not wanted.step_text:
        return False
    sql = "SELECT count(*) FROM (SELECT 1 FROM steps WHERE steps MATCH ? LIMIT ?)"
    found = rows(sql, (phrase(wanted.step_text), _COMMON))
    return bool(found) and bool(found[0][0] == _COMMON)


def searched(rows: Rows, run: str) -> list[tuple[str, str]]:
    """The phases of a run that have verdicts, with the methods of each."""
    return [(row["phase"], row["method"]) for row in rows(_SEARCHED, (run,))]


def histogram(rows: Rows, wanted: TreeFilter, noted: Iterable[str], name: str, bins: int) -> list[Bin]:
    """How a figure is spread; see :meth:`store.index.reader.StoreReader.histogram`."""
    column = figure(name)
    where, values = condition(wanted, noted, common=_is_common(rows, wanted))
    ends = rows(f"SELECT min({column}), max({column}) FROM trees WHERE {where}", values)
    if not ends or ends[0][0] is None:
        return []
    low, high = ends[0]
    whole = isinstance(low, int) and isinstance(high, int)
    bars = min(bins, high - low + 1) if whole else bins if high > low else 1
    width = (high - low + whole) / bars
    sql = _HISTOGRAM.format(figure=column, where=where)
    found = {row["bin"]: row for row in rows(sql, (low, float(width), bars, *values))}
    return [_bar(low + place * width, low + (place + 1) * width, found.get(place)) for place in range(bars)]


def _bar(low: float, high: float, row: sqlite3.Row | None) -> Bin:
    return Bin(low, high, 0, 0) if row is None else Bin(low, high, row["count"], row["correct"])


def summary(row: sqlite3.Row) -> TreeSummary:
    """A search from its row of ``trees``, with ``question`` and ``oracle``."""
    return TreeSummary(
        **members(
            row,
            TreeSummary,
            question=row["question"] or "",
            correct=flag(row["correct"]),
            ever_right=flag(row["ever_right"]),
        )
    )


def _order(order_by: str, descending: bool) -> str:
    parts = [*_ORDERS[order_by].split(", "), "number", "phase"]
    direction = " DESC" if descending else ""
    return ", ".join(f"{part}{direction}" for part in dict.fromkeys(parts))
