"""Why the last event of a replay came as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.events import (
    BackedUp,
    Critiqued,
    Expanded,
    Extended,
    RolledOut,
    Selected,
    Stopped,
    Valued,
    Verified,
)
from tui.replay.event_text import cost, describe
from tui.replay.reasons.changes import (
    explain_backup,
    explain_expansion,
    explain_judgement,
    explain_rollout,
    explain_trace,
    explain_values,
    explain_verdicts,
)
from tui.replay.reasons.selection import explain_selection
from tui.replay.reasons.vote import explain_votes
from tui.styled import Line, line

if TYPE_CHECKING:
    from store.events import Event
    from tui.replay.player import Player
    from tui.replay.truth import Truth


def explain(player: Player, truth: Truth | None, width: int) -> list[Line]:
    """What the last event did, why, and what it cost.

    Args:
        player: the replay.
        truth: what the verdicts say; None while it is not to be shown.
        width: the cells of a line.
    """
    event = player.event
    took = "" if event is None else cost(event.cost)
    lines = [line((describe(event, player.joined), "bold"))]
    if took:
        lines.append(line((f"took {took} tokens", "dim")))
    return lines if event is None else [*lines, *_about(player, event, truth, width)]


def _about(player: Player, event: Event, truth: Truth | None, width: int) -> list[Line]:
    match event:
        case Selected():
            return explain_selection(player, event, width)
        case BackedUp():
            return explain_backup(player, event, width)
        case Expanded():
            return explain_expansion(player, event, width)
        case Extended():
            return explain_trace(player, event, width)
        case Valued():
            return explain_values(player, event, width)
        case RolledOut():
            return explain_rollout(player, event, width)
        case Critiqued():
            return explain_judgement(player, event, width)
        case Verified():
            return explain_verdicts(player, event, width)
        case Stopped():
            return [line(), *explain_votes(player, truth, width)]
