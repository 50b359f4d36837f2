"""What stands beside and below a list of trees: the solutions of one, and how figures are spread over all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.styled import Line, Span, Style, line
from tui.text import count, decimal, label, safe_text, verdict
from tui.trees.rows import title_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store.queries import Bin
    from store.records import Solution, TreeSummary
    from tui.trees.pages import Preview, Spread

_MOST_STEPS = 60
"""Steps of a solution that are shown; the replay has all of them."""

_STEP, _QUESTION = 600, 4_000
"""Characters of a step and of a question that are shown."""

_SHARES = ("best_right", "best_wrong")
"""Figures from 0 to 1."""

_BARS = "▁▂▃▄▅▆▇█"


def preview_lines(preview: Preview) -> list[Line]:
    """The question of a tree, its answer, and the solutions that are worth a look."""
    return [*_head(preview.tree), *(each for found in preview.solutions for each in _solution(found))]


def _head(tree: TreeSummary) -> Iterator[Line]:
    yield line((label(f"{tree.id}  {tree.method}", 200), "bold"))
    yield line((label(tree.problem, 200), "dim"))
    for text in safe_text(tree.question.strip(), limit=_QUESTION).split("\n"):
        yield line(text)
    yield line()
    yield line((f"answer {label(tree.answer, 60)} {verdict(tree.correct)}", _style(tree.correct)))
    oracle = "no oracle answer" if tree.oracle is None else f"oracle {label(tree.oracle, 60)}"
    yield line((f"{oracle} · by {label(tree.answer_by, 30)} · ended: {label(tree.reason, 20)}", "dim"))
    if tree.message:
        yield line((label(tree.message, 400), "bad"))
    if tree.right is not None:
        yield line((f"{tree.right} of {tree.finished} solutions are right", "dim"))


def _solution(found: Solution) -> Iterator[Line]:
    name = "given" if found.answered else "right, not given" if found.correct else "right"
    yield line()
    yield line(
        (f"{verdict(found.correct)} {name}", _style(found.correct)),
        (f"  #{found.node}  V ", "dim"),
        (decimal(found.value), "dim", 0.0)
        if found.value is None
        else (decimal(found.value), "value", found.value),
        (f"  {label(found.answer, 40)}", "bold"),
    )
    for number, step in enumerate(found.steps[:_MOST_STEPS], 1):
        yield line(f"{number} {safe_text(step.strip(), one_line=True, limit=_STEP)}")
    if len(found.steps) > _MOST_STEPS:
        yield line((f"… {len(found.steps) - _MOST_STEPS:,} more steps", "dim"))


def _style(correct: bool | None) -> Style:
    return "dim" if correct is None else "good" if correct else "bad"


def spread_line(spread: Spread, width: int) -> Line:
    """How figures are spread, as many of them as fit; the colour of a bar is the share of right answers."""
    spans: list[Span] = []
    for name, bins in spread.figures.items():
        more = _spread(name, bins) if bins else []
        if sum(len(text) for text, _, _ in (*spans, *more)) > width:
            break
        spans += more
    return tuple(spans)


def _spread(name: str, bins: Sequence[Bin]) -> list[Span]:
    most = max(each.count for each in bins)
    bars: list[Span] = [
        (_bar(each.count / most), "value", each.correct / each.count) if each.count else (" ", "", 0.0)
        for each in bins
    ]
    low, high = (f"{end:.2f}" for end in (bins[0].low, bins[-1].high))
    if name not in _SHARES:
        # Whole numbers: the last bar ends before the next one.
        low, high = count(round(bins[0].low)), count(round(bins[-1].high) - 1)
    return [*line((f"{title_of(name)} ", "dim"), (f"{low} ", "")), *bars, *line((f" {high}   ", ""))]


def _bar(share: float) -> str:
    return _BARS[max(round(share * len(_BARS)) - 1, 0)]
