"""One of two searches beside each other: its head, its tree, and where its replay is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from tui.replay.head import describe_search
from tui.replay.player import Change
from tui.replay.timeline import Timeline
from tui.styled import line
from tui.widgets.lines import LinesBar
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.snapshots import OpenedTree
    from tui.styled import Line

_FEW = 2
"""Rows of the timeline in a low terminal: the events, and the tokens with the answer so far."""


class Half(Vertical):
    """The search ``tree`` of ``run``; ``letter`` is A or B.

    Attributes:
        opened: the search; None until it has been read.
        timeline: what the lines below the tree show; None as long.
    """

    def __init__(self, letter: str, run: str, tree: str) -> None:
        super().__init__(id=f"half-{letter}")
        self.letter = letter
        self.place = f"{run} / {tree}"
        self.opened: OpenedTree | None = None
        self.timeline: Timeline | None = None

    def compose(self) -> ComposeResult:
        yield LinesBar(f"head-{self.letter}", self._head)
        yield TreePane(f"tree-{self.letter}")
        yield LinesBar(f"time-{self.letter}", self._time)

    @property
    def pane(self) -> TreePane:
        """The tree on the screen."""
        return self.query_one(TreePane)

    def open(self, opened: OpenedTree, apart: int | None) -> None:
        """Show a search at its end; ``apart`` is the node where its solution leaves the other one."""
        self.opened = opened
        self.timeline = Timeline(opened.player, truth=opened.truth)
        opened.player.jump(opened.player.length)
        self.pane.open(opened.player, opened.truth, apart=apart)
        self.pane.choose(opened.player.focus if apart is None else apart)
        for bar in self.query(LinesBar):
            bar.update()

    def jump(self, position: int) -> None:
        """Go to a position, and show it."""
        if self.opened is not None:
            self.show(self.opened.player.jump(position))

    def show(self, change: Change) -> None:
        """Show where the replay is after a move; the cursor follows the event."""
        if self.opened is None:
            return
        player = self.opened.player
        with self.prevent(TreePane.Chosen):
            self.pane.update(change)
            if player.focus != self.pane.cursor:
                self.pane.choose(player.focus)
        self.show_time()

    def show_time(self) -> None:
        """Draw the lines below the tree again."""
        self.query_one(f"#time-{self.letter}", LinesBar).update()

    def _head(self, width: int) -> Sequence[Line]:
        record = None if self.opened is None else self.opened.player.record
        title, *rest = describe_search(self.place, record, width)
        letter = line((f"{self.letter}  ", "good" if self.letter == "A" else "mark"))
        return [(*letter, *title[1:]), *rest[:1]]

    def _time(self, width: int) -> Sequence[Line]:
        if self.timeline is None:
            return []
        cells, marks, position, amounts, sentence = self.timeline.lines(width)
        rows = self.query_one(f"#time-{self.letter}", LinesBar).size.height
        return [amounts, sentence] if rows <= _FEW else [cells, marks, position, amounts, sentence]
