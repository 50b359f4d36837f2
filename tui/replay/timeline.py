"""The lines below the tree: the events as cells with marks, where the replay is, what it has come to."""

from __future__ import annotations

from dataclasses import dataclass, field
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
from tui.styled import Line, Span, Style, line
from tui.text import decimal, label, safe_text

if TYPE_CHECKING:
    from tui.replay.player import Player
    from tui.replay.truth import Truth

KINDS: dict[type, tuple[str, Style]] = {
    Selected: ("╷", "dim"),
    Critiqued: ("·", "dim"),
    BackedUp: ("▴", "dim"),
    Valued: ("▫", ""),
    RolledOut: ("~", "mark"),
    Expanded: ("▪", ""),
    Extended: ("▪", ""),
    Verified: ("◇", "bold"),
    Stopped: ("■", "bold"),
}
"""The cell of each kind of event; in a cell for several events, the one that comes last here is shown."""

_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether the replay plays by itself, and at how many events a second."""

    playing: bool = False
    speed: float = 4.0


@dataclass(slots=True)
class Timeline:
    """What the timeline of one replay shows.

    Attributes:
        player: the replay.
        pace: whether and how fast it plays.
        truth: what the verdicts say; None while it is not to be shown.
        changes: the positions at which the answer changed; None while they are being looked for.
        bookmarks: the notes of bookmarks, by position.
        pinned: the node that the cursor stays at; None while it follows the events.
    """

    player: Player
    pace: Pace = field(default_factory=Pace)
    truth: Truth | None = None
    changes: tuple[int, ...] | None = None
    bookmarks: dict[int, str] = field(default_factory=dict)
    pinned: int | None = None
    _drawn: dict[int, list[tuple[str, Style]]] = field(default_factory=dict, repr=False)

    def lines(self, width: int) -> list[Line]:
        """Five lines: events, marks, position, tokens and answer so far, and the last event in a sentence."""
        return [
            self._cells(width),
            self._marks(width),
            self._position(),
            self._amounts(),
            line((label(self._sentence(), max(width, 1)), "bold")),
        ]

    def position_at(self, x: int, width: int) -> int | None:
        """The position that a click on the cell ``x`` of the first two lines means; None beside them."""
        length = self.player.length
        if length < width:
            return x if x <= length else None
        return -(-x * length // max(width - 1, 1)) if 0 <= x < width else None

    def _cell(self, position: int, width: int) -> int:
        length = self.player.length
        return position if length < width else position * (width - 1) // length

    def _kinds(self, width: int) -> list[tuple[str, Style]]:
        if width not in self._drawn:
            ranks = [-1] * (self._cell(self.player.length, width) + 1)
            for position, event in enumerate(self.player.events, 1):
                cell = self._cell(position, width)
                ranks[cell] = max(ranks[cell], _RANKS[type(event)])
            looks = list(KINDS.values())
            self._drawn = {width: [("│", "dim") if rank < 0 else looks[rank] for rank in ranks]}
        return self._drawn[width]

    def _cells(self, width: int) -> Line:
        if width < 1:
            return ()
        cells = list(self._kinds(width))
        for position in self.changes or ():
            cells[self._cell(position, width)] = ("△", "mark")
        cells[self._cell(self.player.position, width)] = ("┃", "mark")
        return _joined(cells)

    def _marks(self, width: int) -> Line:
        if width < 1:
            return ()
        cells: list[tuple[str, Style]] = [(" ", "")] * (self._cell(self.player.length, width) + 1)
        for position, node in self.player.survey.solutions:
            cell = self._cell(position, width)
            correct = None if self.truth is None else self.truth.verdicts.get(node)
            if cells[cell][0] != "✓":
                cells[cell] = {None: ("◆", "mark"), True: ("✓", "good"), False: ("✗", "bad")}[correct]  # type: ignore[assignment]
        for position in self.bookmarks:
            cells[self._cell(position, width)] = ("'", "bold")
        return _joined(cells)

    def _position(self) -> Line:
        player = self.player
        state = f"playing {self.pace.speed:g}/s" if self.pace.playing else "paused"
        spent = player.survey.spent_in(player.round) if player.round else None
        free = " (costs nothing)" if spent == 0 else ""
        rounds = f"round {player.round} of {len(player.rounds)}"
        follows = "" if self.pinned is None else "  cursor stays, f follows"
        return line(
            f"event {player.position} of {player.length}  {rounds}", (f"{free}  {state}{follows}", "dim")
        )

    def _amounts(self) -> Line:
        player = self.player
        budget = player.record.header.budget
        limit = "" if budget is None else f" of {budget:,}"
        return line(("tokens ", "dim"), f"{player.tree.cost.generated:,}{limit}", *self._answer())

    def _answer(self) -> list[Span | tuple[str, Style]]:
        answer, rule = self.player.answer, label(self.player.record.header.answer_by, 16)
        if answer is None:
            return [("  answer so far ", "dim"), ("none", ""), (f" ({rule})", "dim")]
        correct = self.player.tree.nodes[answer.node].correct
        if self.truth is not None:
            correct = self.truth.verdicts.get(answer.node)
        style: Style = "" if correct is None else "good" if correct else "bad"
        sure = "" if answer.confidence is None else f", confidence {decimal(answer.confidence)}"
        return [
            ("  answer so far ", "dim"),
            (label(answer.text, 24), style),
            (f" (#{answer.node} by {rule}{sure})", "dim"),
        ]

    def _sentence(self) -> str:
        """The note of a bookmark, or what the last event did."""
        event, note = self.player.event, self.bookmarks.get(self.player.position)
        if note is not None:
            return f"' {safe_text(note, one_line=True, limit=1000)}"
        took = "" if event is None else cost(event.cost)
        return describe(event, self.player.joined) + (f" [{took}]" if took else "")


def _joined(cells: list[tuple[str, Style]]) -> Line:
    """Cells side by side, neighbours of one style as one span."""
    spans: list[tuple[str, Style]] = []
    for text, style in cells:
        if spans and spans[-1][1] == style:
            spans[-1] = (spans[-1][0] + text, style)
        else:
            spans.append((text, style))
    return line(*spans)
