"""The solutions of a search that are worth a look, from the nodes in the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from store.index.reading.rows import flag
from store.records import Solution

if TYPE_CHECKING:
    import sqlite3

    from store.index.reading.rows import Rows

_TREE = "SELECT answer, answer_path FROM trees WHERE run = ? AND id = ? AND phase = ? AND number = ?"

_FINISHED = """
SELECT node, iif(score IS NULL AND visits = 0, NULL, value) AS value, answer, correct
FROM nodes WHERE run = ? AND tree = ? AND finished
ORDER BY nodes.value DESC, node
"""

_WAY = """
WITH RECURSIVE way (node, parent, depth, step) AS (
    SELECT node, parent, depth, step FROM nodes WHERE run = :run AND tree = :tree AND node = :node
    UNION ALL
    SELECT nodes.node, nodes.parent, nodes.depth, nodes.step FROM way CROSS JOIN nodes
    ON nodes.run = :run AND nodes.tree = :tree AND nodes.node = way.parent
)
SELECT step FROM way WHERE step IS NOT NULL ORDER BY depth
"""


def solutions(rows: Rows, run: str, tree: str) -> tuple[Solution, ...]:
    """The answered solution, and the best right one; see :meth:`store.index.reader.StoreReader.solutions`."""
    phase, _, number = tree.rpartition("/")
    found = rows(_TREE, (run, tree, phase, number))
    finished = rows(_FINISHED, (run, tree))
    if not found or not finished:
        return ()
    given = _given(found[0], finished)
    right = next((row for row in finished if row["correct"]), None)
    chosen = {row["node"]: row for row in (given, right) if row is not None}
    return tuple(_solution(rows, run, tree, row, answered=row is given) for row in chosen.values())


def _given(tree: sqlite3.Row, finished: list[sqlite3.Row]) -> sqlite3.Row | None:
    """The node of the answer; where votes were counted, the best of those that have the answer."""
    path = orjson.loads(tree["answer_path"] or "[]")
    named = next((row for row in finished if path and row["node"] == path[-1]), None)
    alike = (row for row in finished if tree["answer"] is not None and row["answer"] == tree["answer"])
    return named or next(alike, None)


def _solution(rows: Rows, run: str, tree: str, row: sqlite3.Row, *, answered: bool) -> Solution:
    steps = rows(_WAY, {"run": run, "tree": tree, "node": row["node"]})
    return Solution(
        row["node"],
        row["answer"],
        flag(row["correct"]),
        row["value"],
        answered,
        tuple(step[0] for step in steps),
    )
