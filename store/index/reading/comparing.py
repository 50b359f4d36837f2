"""Two or more sides of a comparison, problem by problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import InputError
from store.index.reading.rows import Rows
from store.index.reading.searches import summary
from store.queries import HALF, Compared, MatrixRow, ProblemPair

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from store.queries import Fault, Side
    from store.records import TreeSummary

# The plus keeps SQLite from reading all phases in the order of their problems.
_WHOLE = """
SELECT problem, phase, min(number) AS number, avg(correct) AS share,
    avg(policy_tokens + critic_tokens) AS tokens, max(right) AS "right",
    min(first_right_tokens) AS first_right_tokens
FROM trees WHERE run = ? AND phase = ? AND {column} = ? AND correct IS NOT NULL GROUP BY +problem
"""

_ROW = """
SELECT outcomes.problem, trees.phase, min(outcomes.number) AS number, avg(share) AS share,
    avg(tokens) AS tokens, max(trees.right) AS "right",
    min(trees.first_right_tokens) AS first_right_tokens
FROM outcomes CROSS JOIN trees ON trees.run = outcomes.run
    AND trees.phase = coalesce(outcomes.trees_phase, outcomes.phase)
    AND trees.number = outcomes.number
WHERE outcomes.run = ? AND outcomes.phase = ? AND outcomes.method = ? AND outcomes.rule = ?
    AND outcomes.budget IS ? AND share IS NOT NULL
GROUP BY outcomes.problem
"""

_STORED = """
SELECT coalesce(trees_phase, phase) FROM outcomes
WHERE run = ? AND phase = ? AND method = ? AND rule = ? AND budget IS ? LIMIT 1
"""

_EVALUATED = """
SELECT searches FROM evaluations WHERE run = ? AND phase = ? AND method = ? AND rule = ? AND budget IS ?
"""

_QUESTIONS = "SELECT DISTINCT problem, question FROM problems WHERE run = ? AND phase = ?"

_OF_A_PROBLEM = """
SELECT trees.*, problems.question, problems.oracle
FROM trees LEFT JOIN problems ON problems.run = trees.run AND problems.phase = trees.phase
    AND problems.problem = trees.problem
WHERE trees.run = ? AND trees.problem = ? ORDER BY trees.phase, trees.method, trees.number
"""


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a side has of one problem."""

    tree: str
    share: float
    tokens: float
    right: int | None
    first_right_tokens: int | None


def compare(rows: Rows, a: Side, b: Side, changed_a: Collection[str], changed_b: Collection[str]) -> Compared:
    """Two sides; see :meth:`store.index.reader.StoreReader.compare`.

    Args:
        rows: runs a query.
        a: the first side.
        b: the second side.
        changed_a: the problems of the run of ``a`` with a verdict that a person has changed.
        changed_b: the same of ``b``.
    """
    cells_a, cells_b = _cells(rows, a, changed_a), _cells(rows, b, changed_b)
    questions = _questions(rows, a)
    others = questions if (a.run, a.phase) == (b.run, b.phase) else _questions(rows, b)
    # Data sets that are made from a seed use the same names for other problems.
    shared = [name for name in cells_a if name in cells_b and questions.get(name) == others.get(name)]
    sets: dict[tuple[bool, bool], list[ProblemPair]] = {}
    for problem in shared:
        pair = _pair(problem, questions.get(problem, ""), (a, cells_a[problem]), (b, cells_b[problem]))
        sets.setdefault((pair.right_a, pair.right_b), []).append(pair)
    both, only_a, only_b, none = (
        tuple(sets.get(key, ())) for key in ((True, True), (True, False), (False, True), (False, False))
    )
    alone = len(cells_a) - len(shared), len(cells_b) - len(shared)
    whole = tuple(side for side in dict.fromkeys((a, b)) if not _by_row(rows, side))
    return Compared(a, b, both, only_a, only_b, none, *alone, whole)


def matrix(rows: Rows, sides: Sequence[Side], changed: Mapping[str, Collection[str]]) -> list[MatrixRow]:
    """Several sides, problem by problem, those first on which they differ most."""
    asked = {(side.run, side.phase): _questions(rows, side) for side in sides}
    columns = []
    for side in sides:
        cells, questions = _cells(rows, side, changed.get(side.run, ())), asked[side.run, side.phase]
        columns.append({(name, questions.get(name, "")): cell for name, cell in cells.items()})
    problems = dict.fromkeys(problem for column in columns for problem in column)
    found = [_matrix_row(problem, columns) for problem in problems]
    return sorted(found, key=lambda row: (-_spread(row), row.problem))


def problem_trees(rows: Rows, run: str, problem: str) -> list[TreeSummary]:
    """All searches of one problem."""
    return [summary(row) for row in rows(_OF_A_PROBLEM, (run, problem))]


def _matrix_row(problem: tuple[str, str], columns: Sequence[Mapping[tuple[str, str], _Cell]]) -> MatrixRow:
    """The row of a problem, given by its name and its question."""
    cells = [column.get(problem) for column in columns]
    trees = tuple(None if cell is None else cell.tree for cell in cells)
    return MatrixRow(*problem, trees, tuple(None if cell is None else cell.share for cell in cells))


def _spread(row: MatrixRow) -> float:
    """How much the sides differ: most where half of them are right."""
    known = [share for share in row.shares if share is not None]
    mean = sum(known) / max(1, len(known))
    return mean * (1 - mean)


def _questions(rows: Rows, side: Side) -> dict[str, str]:
    phase = _stored(rows, side) or side.phase
    return {row["problem"]: row["question"] for row in rows(_QUESTIONS, (side.run, phase))}


def _cells(rows: Rows, side: Side, changed: Collection[str]) -> dict[str, _Cell]:
    """What a side has, by problem."""
    if side.rule is None:
        return _whole(rows, side, "method", side.method)
    place = (side.run, side.phase, side.method, side.rule, side.budget)
    found = {row["problem"]: row for row in rows(_ROW, place)}
    cells = {problem: _cell(row) for problem, row in found.items() if problem not in changed}
    if cells and not changed:
        return cells
    # An older run, or verdicts that were changed since: what the searches answered as a whole counts.
    searches = [row[0] for row in rows(_EVALUATED, place)]
    if not searches:
        raise InputError(
            f"run {side.run!r} has no evaluation of {side.method!r} by {side.rule!r} in {side.phase!r}"
        )
    column, value = ("method", side.method) if searches[0] is None else ("asked", searches[0])
    whole = _whole(rows, side, column, value)
    return whole if not cells else cells | {name: whole[name] for name in changed if name in whole}


def _by_row(rows: Rows, side: Side) -> bool:
    """Whether it is known what the problems of a side were worth behind its row, if it has one."""
    return side.rule is None or _stored(rows, side) is not None


def _stored(rows: Rows, side: Side) -> str | None:
    """The phase of the searches behind the row of a side; None where it is not known what they were worth."""
    place = (side.run, side.phase, side.method, side.rule, side.budget)
    return next((row[0] for row in rows(_STORED, place)), None)


def _whole(rows: Rows, side: Side, column: str, value: str) -> dict[str, _Cell]:
    found = rows(_WHOLE.format(column=column), (side.run, side.phase, value))
    return {row["problem"]: _cell(row) for row in found}


def _cell(row: sqlite3.Row) -> _Cell:
    more = (row["share"], row["tokens"], row["right"], row["first_right_tokens"])
    return _Cell(f"{row['phase']}/{row['number']}", *more)


def _pair(problem: str, question: str, one: tuple[Side, _Cell], two: tuple[Side, _Cell]) -> ProblemPair:
    (_, a), (_, b) = one, two
    worse = one if a.share < b.share else two
    fault = None if min(a.share, b.share) >= HALF else _fault(*worse)
    return ProblemPair(problem, question, a.tree, b.tree, a.share, b.share, a.tokens, b.tokens, fault)


def _fault(side: Side, cell: _Cell) -> Fault | None:
    """Why a side did not answer right."""
    if cell.right is None:
        return None
    tokens = cell.first_right_tokens
    in_time = side.budget is None or (tokens is not None and tokens <= side.budget)
    return "preferred-wrong" if cell.right > 0 and in_time else "never-sampled"
