"""The lines below the tree: where the replay is, what has just happened, what it has come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.replay.event_text import cost, describe
from tui.styled import Line, Style, line
from tui.text import decimal, label, wrap

if TYPE_CHECKING:
    from tui.replay.player import Player

_SENTENCE = 2
"""Rows for the sentence about the event."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether the replay plays by itself, and at how many events a second."""

    playing: bool = False
    speed: float = 4.0


def describe_moment(player: Player, pace: Pace, width: int) -> list[Line]:
    """Five lines: position, the event in two, tokens so far, answer so far."""
    rows = wrap(_sentence(player), width)[:_SENTENCE]
    rows += [""] * (_SENTENCE - len(rows))
    sentence = [line((row, "bold")) for row in rows]
    return [_position(player, pace, width), *sentence, _tokens(player), _answer(player)]


def bar_position(player: Player, pace: Pace, width: int, x: int) -> int | None:
    """The position that a click at ``x`` on the first line means; None beside the bar."""
    text, room = _places(player, pace), _room(player, pace, width)
    if not len(text) <= x < len(text) + room:
        return None
    return round((x - len(text)) / max(room - 1, 1) * player.length)


def _sentence(player: Player) -> str:
    took = cost(player.event.cost) if player.event is not None else ""
    return describe(player.event, player.joined) + (f" [{took}]" if took else "")


def _places(player: Player, pace: Pace) -> str:
    state = f"playing {pace.speed:g}/s" if pace.playing else "paused"
    rounds = f"round {player.round} of {len(player.rounds)}"
    return f"event {player.position} of {player.length}  {rounds}  {state} "


def _room(player: Player, pace: Pace, width: int) -> int:
    return max(width - len(_places(player, pace)), 0)


def _position(player: Player, pace: Pace, width: int) -> Line:
    room = _room(player, pace, width)
    done = round(room * player.position / player.length) if player.length else room
    return line(_places(player, pace), ("━" * done, "mark"), ("─" * (room - done), "dim"))


def _tokens(player: Player) -> Line:
    spent, budget = player.tree.cost, player.record.header.budget
    limit = "" if budget is None else f" of {budget:,}"
    rest = f"  prompt {spent.prompt:,}  value {spent.value:,}  calls {spent.calls:,}"
    return line(("tokens so far ", "dim"), f"{spent.generated:,}{limit}", (rest, "dim"))


def _answer(player: Player) -> Line:
    header = player.record.header
    oracle = f"  oracle {label(header.oracle, 24)}"
    rule = label(header.answer_by, 16)
    answer = player.answer
    if answer is None:
        return line(("answer so far ", "dim"), "none", (f" ({rule}){oracle}", "dim"))
    correct = player.tree.nodes[answer.node].correct
    style: Style = "" if correct is None else "good" if correct else "bad"
    sure = "" if answer.confidence is None else f", confidence {decimal(answer.confidence)}"
    return line(
        ("answer so far ", "dim"),
        (label(answer.text, 24), style),
        (f" ({rule}{sure}, node {answer.node}){oracle}", "dim"),
    )
