"""How the answers of a tree stand, by the rule of its search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.answering.rules import RULES, SURE
from store.answering.tally import tally
from tui.replay.reasons.rows import bar_cells, left_out, shown, title
from tui.replay.row_text import bar
from tui.styled import Line, Style, line
from tui.text import decimal, label

if TYPE_CHECKING:
    from store.answering.tally import Standing
    from tui.replay.player import Player
    from tui.replay.truth import Truth

_NODES = 8
"""Numbers of nodes that are named for an answer."""


def explain_votes(player: Player, truth: Truth | None, width: int) -> list[Line]:
    """The table of answers now: weight, share and nodes of each, the heaviest first."""
    rule = player.record.header.answer_by
    standings = tally(player.tree, rule, player.constants)
    name = label(rule, 20)
    if rule not in RULES:
        return [title("answers", f": the rule {name} is not known here")]
    if not standings:
        return [title("answers", f": none yet ({name})")]
    kept, rest = shown(standings, [False] * len(standings))
    weight = "weights add up" if rule in SURE else "the largest weight wins"
    lines = [title(f"answers by {name}", f": {weight}")]
    for standing in kept:
        lines += _standing(player, standing, truth, width)
    return lines + left_out(rest, "answers")


def _standing(player: Player, standing: Standing, truth: Truth | None, width: int) -> list[Line]:
    correct = None if truth is None else truth.verdicts.get(standing.nodes[0])
    mark, style = _verdict(correct)
    share = 0.0 if standing.share is None else standing.share
    cells = bar_cells(width, 30)
    numbers = ", ".join(f"#{node}" for node in standing.nodes[:_NODES])
    rest = f" and {len(standing.nodes) - _NODES:,} more" if len(standing.nodes) > _NODES else ""
    part = "" if standing.share is None else f"  {share:.1%}"
    return [
        line((f"{mark} ", style), (label(standing.answer, max(width - 3, 8)), style or "bold")),
        (
            *line("  ", (bar(share, cells), "mark"), f" {decimal(standing.weight)}{part}"),
            *line((f"  {numbers}{rest}", "dim")),
        ),
    ]


def _verdict(correct: bool | None) -> tuple[str, Style]:
    if correct is None:
        return "·", ""
    return ("✓", "good") if correct else ("✗", "bad")
