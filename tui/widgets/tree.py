"""The search tree on the screen: one row a node, drawn when in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui.replay.player import Change, Player
from tui.styled import Line, Span, Style, line
from tui.text import label
from tui.widgets.lines import RowsView, to_strip

if TYPE_CHECKING:
    from rich.style import Style as RichStyle
    from textual import events

    from store.tree import Node

_FACTS = 26
"""Cells that a row keeps for what it says after the guides."""


class TreePane(RowsView):
    """The tree of a replay, with a cursor on one node.

    The rows are put in order again only when nodes come or go; otherwise just the rows of changed nodes
    are drawn again.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Node up", show=False, id="tree.up"),
        Binding("down,j", "move(1)", "Node down", show=False, id="tree.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="tree.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="tree.page-down"),
        Binding("p", "parent", "To the parent", show=False, id="tree.parent"),
        Binding("enter,z", "fold", "Fold or unfold the node", show=False, id="tree.fold"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tree--cursor"}

    @dataclass
    class Chosen(Message):
        """The cursor came to ``node``."""

        node: int

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._player: Player | None = None
        self._rows: list[int] = []
        self._places: dict[int, int] = {}
        self._folded: set[int] = set()
        self._trail: list[int] = [0]
        self._marked: frozenset[int] = frozenset()
        self._way: frozenset[int] = frozenset()

    @property
    def cursor(self) -> int:
        """The number of the chosen node."""
        return self._trail[-1]

    def open(self, player: Player) -> None:
        """Show the tree of ``player``, cursor on the root."""
        self._player = player
        self._folded.clear()
        self._trail = [0]
        self.update(Change(structure=True))

    def update(self, change: Change) -> None:
        """Draw again what ``change`` says, after a move of the player."""
        player = self._player
        if player is None:
            return
        marked, way = player.touched, self._selected_way(player)
        changed = change.nodes | (self._marked ^ marked) | (self._way ^ way)
        self._marked, self._way = marked, way
        if change.structure:
            self._order(player)
            return
        for node in changed:
            if node in self._places:
                self.refresh_line(self._places[node])

    def choose(self, node: int) -> None:
        """Bring the cursor to ``node``, unfolding what hides it."""
        player = self._player
        if player is None or not 0 <= node < len(player.tree.nodes):
            return
        hidden = node not in self._places
        self._folded.difference_update(above.id for above in player.tree.ancestors(node) if above.id != node)
        if hidden:
            self._order(player)
        self._set_cursor(player, node)

    def _selected_way(self, player: Player) -> frozenset[int]:
        if player.selected is None:
            return frozenset()
        return frozenset(node.id for node in player.tree.ancestors(player.selected))

    def _order(self, player: Player) -> None:
        nodes = player.tree.nodes
        self._rows = []
        waiting = [0]
        while waiting:
            node = waiting.pop()
            self._rows.append(node)
            if node not in self._folded:
                waiting.extend(reversed(nodes[node].children))
        self._places = {node: place for place, node in enumerate(self._rows)}
        self.set_height(len(self._rows))
        self._keep_cursor(player)

    def _keep_cursor(self, player: Player) -> None:
        """The cursor's node may have left the tree: then its nearest ancestor still there is chosen."""
        before = self.cursor
        while len(self._trail) > 1 and self._trail[-1] not in self._places:
            self._trail.pop()
        if self.cursor != before:
            self._set_cursor(player, self.cursor)

    def _set_cursor(self, player: Player, node: int) -> None:
        old = self.cursor
        self._trail = [above.id for above in player.tree.ancestors(node)][::-1]
        for moved in (old, node):
            if moved in self._places:
                self.refresh_line(self._places[moved])
        self._scroll_to_cursor()
        self.post_message(self.Chosen(node))

    def _scroll_to_cursor(self) -> None:
        place, height = self._places[self.cursor], self.scrollable_content_region.height
        top = self.scroll_offset.y
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False)

    def on_resize(self) -> None:
        if self._player is not None:
            self._order(self._player)
            self._scroll_to_cursor()

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.scroll_offset.y
        if place < len(self._rows):
            self.choose(self._rows[place])

    def action_move(self, rows: int) -> None:
        if self._player is not None:
            place = min(max(self._places[self.cursor] + rows, 0), len(self._rows) - 1)
            self._set_cursor(self._player, self._rows[place])

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(self.scrollable_content_region.height - 1, 1))

    def action_parent(self) -> None:
        if self._player is not None and len(self._trail) > 1:
            self._set_cursor(self._player, self._trail[-2])

    def action_fold(self) -> None:
        player = self._player
        if player is not None and player.tree.nodes[self.cursor].children:
            self._folded ^= {self.cursor}
            self._order(player)

    def row_strip(self, place: int, width: int) -> Strip:
        if self._player is None or place >= len(self._rows):
            return Strip.blank(width, self.base)
        node = self._player.tree.nodes[self._rows[place]]
        return to_strip(self._row(self._player, node, width), width, self._base(node))

    def _base(self, node: Node) -> RichStyle:
        chosen = node.id == self.cursor
        return self.get_component_rich_style("tree--cursor") if chosen else self.base

    def _row(self, player: Player, node: Node, width: int) -> Line:
        guides = self._guides(player, node, max((width - _FACTS) // 2, 2))
        way: Style = "bold" if node.id in self._way else ""
        text = "problem" if node.step is None else label(node.step.text, max(width, 1))
        folded = f" [+{len(node.children)}]" if node.id in self._folded else ""
        known = node.score is not None or node.visits > 0
        value: Span = (f" {node.value:.2f}", "value", node.value) if known else ("    -", "dim", 0.0)
        facts = line((f" {_short(node.visits)} ", "dim"), (f"#{node.id}{folded} ", way), (text, way))
        return (self._gutter(player, node), (guides, "dim", 0.0), _mark(node), value, *facts)

    def _gutter(self, player: Player, node: Node) -> Span:
        if node.id == player.selected:
            return ("►", "mark", 0.0)
        return ("•" if node.id in self._marked else " ", "mark", 0.0)

    def _guides(self, player: Player, node: Node, levels: int) -> str:
        """The lines that join ``node`` to its parent; of a deep node only the last ``levels`` levels."""
        nodes = player.tree.nodes
        parts: list[str] = []
        below = node
        while below.parent is not None and len(parts) < levels:
            above = nodes[below.parent]
            last = above.children[-1] == below.id
            parts.append(("└─" if last else "├─") if below is node else ("  " if last else "│ "))
            below = above
        cut = "⋯" if below.parent is not None else ""
        return cut + "".join(reversed(parts))


def _short(visits: int) -> str:
    return f"N{visits}" if visits < 10_000 else f"N{visits // 1000}k"


def _mark(node: Node) -> Span:
    """What kind of node: ✓ ✗ verified, ◆ finished, ● expanded, ○ not expanded."""
    if node.finished and node.correct is not None:
        return ("✓", "good", 0.0) if node.correct else ("✗", "bad", 0.0)
    if node.finished:
        return ("◆", "mark", 0.0)
    return ("●" if node.expanded else "○", "", 0.0)
