"""Filters of searches as SQL conditions on the table ``trees``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.errors import InputError
from store.queries import STEP_TEXT_LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from store.queries import Range, TreeFilter, TreeKind

FIGURES = {
    "nodes": "nodes",
    "finished": "finished",
    "depth": "depth",
    "leaves": "leaves",
    "right": "right",
    "distinct_answers": "distinct_answers",
    "tokens": "(policy_tokens + critic_tokens)",
    "policy_tokens": "policy_tokens",
    "value_tokens": "value_tokens",
    "seconds": "seconds",
    "rounds": "rounds",
    "idle_rounds": "idle_rounds",
    "answer_changes": "answer_changes",
    "best_right": "best_right",
    "best_wrong": "best_wrong",
    "first_right_tokens": "first_right_tokens",
}
"""The figures that a :class:`Range` or a histogram can be about, and their SQL."""

_TEXT_LIMIT = 1000

_TEXT = r"""(problem LIKE ? ESCAPE '\' OR answer LIKE ? ESCAPE '\' OR (phase, problem) IN (
    SELECT phase, problem FROM problems WHERE run = ? AND question LIKE ? ESCAPE '\'))"""

_STEPS = """(phase, number) IN (
    SELECT documents.phase, documents.number FROM steps CROSS JOIN documents
    ON documents.document = steps.rowid WHERE steps MATCH ? AND documents.run = ?)"""

# For a text that many searches have: a set of numbers is made once, and the order of the list is kept.
_COMMON_STEPS = """(SELECT document FROM documents WHERE documents.run = trees.run
    AND documents.phase = trees.phase AND documents.number = trees.number) IN (
    SELECT rowid FROM steps WHERE steps MATCH ?)"""

_LUCKY = """correct = 1 AND EXISTS (
    SELECT 1 FROM labels WHERE labels.run = trees.run AND labels.tree = trees.id AND labels.lowest < 0.5)"""

_DISAGREE = """EXISTS (
    SELECT 1 FROM trees AS other WHERE other.run = trees.run AND other.problem = trees.problem
    AND other.phase = trees.phase AND other.method <> trees.method
    AND coalesce(other.correct, 0) <> coalesce(trees.correct, 0))"""

_KINDS: dict[TreeKind, str] = {
    "unsolved": "correct IS NOT 1",
    "never-found": "right = 0",
    "preferred-wrong": "right > 0 AND correct = 0",
    "lost": "ever_right = 1 AND correct = 0",
    "lucky": _LUCKY,
    "disagree": _DISAGREE,
    "idle": "idle_rounds > 0",
    "failed": "reason = 'failed'",
}


def condition(
    wanted: TreeFilter, noted: Iterable[str] = (), *, common: bool = False
) -> tuple[str, list[Any]]:
    """The condition for the searches that pass a filter, and its values.

    Args:
        wanted: the filter.
        noted: the trees that somebody has made a note about.
        common: whether many searches have the text for steps. It changes how long an answer takes alone.

    Raises:
        InputError: a range is about no figure, or the text for steps is too short.
    """
    parts, values = ["run = ?"], [wanted.run]
    for sql, more in (
        *_plain(wanted),
        *_texts(wanted),
        *_steps(wanted, common),
        *_ranges(wanted.ranges),
        *_kinds(wanted, noted),
    ):
        parts.append(sql)
        values += more
    return " AND ".join(parts), values


Part = tuple[str, list[Any]]


def _plain(wanted: TreeFilter) -> Iterator[Part]:
    for column, value in (
        ("iteration", wanted.iteration),
        ("reason", wanted.reason),
        ("problem", wanted.problem),
        ("asked", wanted.asked),
    ):
        if value is not None:
            yield f"{column} = ?", [value]
    for column, names in (("phase", wanted.phases), ("method", wanted.methods)):
        if names:
            yield f"{column} IN ({', '.join('?' * len(names))})", [*map(clean, names)]
    if wanted.solved is not None:
        yield ("correct = 1" if wanted.solved else "correct IS NOT 1"), []


def _texts(wanted: TreeFilter) -> Iterator[Part]:
    if wanted.text:
        pattern = f"%{_escaped(wanted.text[:_TEXT_LIMIT])}%"
        yield _TEXT, [pattern, pattern, wanted.run, pattern]


def _steps(wanted: TreeFilter, common: bool) -> Iterator[Part]:
    if wanted.step_text and common:
        yield _COMMON_STEPS, [phrase(wanted.step_text)]
    elif wanted.step_text:
        yield _STEPS, [phrase(wanted.step_text), wanted.run]


def phrase(text: str) -> str:
    """A text for steps as the full-text index is asked for it. Raises :class:`InputError` for a short one."""
    text = clean(text[:_TEXT_LIMIT])
    if len(text) < STEP_TEXT_LEAST:
        raise InputError(f"{text!r}: give {STEP_TEXT_LEAST} characters or more to look for in steps")
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _ranges(ranges: Iterable[Range]) -> Iterator[Part]:
    for each in ranges:
        column = figure(each.name)
        if each.low is not None:
            yield f"{column} >= ?", [each.low]
        if each.high is not None:
            yield f"{column} <= ?", [each.high]


def _kinds(wanted: TreeFilter, noted: Iterable[str]) -> Iterator[Part]:
    for kind in wanted.kinds:
        if kind == "noted":
            names = sorted(set(noted))
            yield f"id IN ({', '.join('?' * len(names))})", [*names]
        elif kind in _KINDS:
            yield f"({_KINDS[kind]})", []
        else:
            raise InputError(f"no kind of trees {kind!r}; use one of {', '.join([*_KINDS, 'noted'])}")


def figure(name: str) -> str:
    """The SQL of a figure of trees. Raises :class:`InputError` for one that is not there."""
    if name not in FIGURES:
        raise InputError(f"no figure {name!r} of trees; use one of {', '.join(FIGURES)}")
    return FIGURES[name]


def clean(text: str) -> str:
    """A text as the index has it: without lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in "\\%_" else letter for letter in clean(text))
