"""The lines above a replay: which search it is, what came out of it, and why it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.events import Stopped
from tui.replay.event_text import REASONS
from tui.styled import Line, Style, line
from tui.text import label, safe_text, verdict

if TYPE_CHECKING:
    from store.events import SearchRecord

ROWS = 3
"""Rows of the head."""


def describe_search(place: str, record: SearchRecord | None, width: int) -> list[Line]:
    """Three lines: place, method and problem; answer, oracle answer and why it ended; the question.

    Args:
        place: the run and the tree, in words.
        record: the search; None while it is being read.
        width: the cells of a line.
    """
    title = line(("restmcts", "bold"), (f"  {label(place, max(width // 2, 20))}", ""))
    if record is None:
        return [title, line(("reading …", "dim"))]
    header = record.header
    names = line((f"  {label(header.method, 30)}", "bold"), (f"  {label(header.problem, 40)}", "dim"))
    question = safe_text(header.question, one_line=True, limit=4 * max(width, 1))
    return [(*title, *names), _outcome(record), line((question, ""))]


def _outcome(record: SearchRecord) -> Line:
    result, header = record.result, record.header
    style: Style = "bold" if result.correct is None else "good" if result.correct else "bad"
    budget = "" if header.budget is None else f" of {header.budget:,}"
    tokens = f", {result.cost.generated:,}{budget} tokens"
    return line(
        (f"{verdict(result.correct)} {label(result.answer or 'no answer', 30)}", style),
        (f"  oracle {label(header.oracle, 30)}", "dim"),
        (f"  ended: {_ending(record)}{tokens}", "dim"),
    )


def _ending(record: SearchRecord) -> str:
    reason = REASONS.get(record.result.reason, label(record.result.reason, 20))
    last = record.events[-1] if record.events else None
    if isinstance(last, Stopped) and last.message:
        return f"{reason} ({label(last.message, 60)})"
    return reason
