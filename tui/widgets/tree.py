"""The search tree on the screen: one row a node, drawn when in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui.replay.player import Change, Player
from tui.replay.row_text import RowLook, guide_cells, is_valued, is_visited, row_line
from tui.replay.rows import ORDERS, Row, View, arrange, guides
from tui.widgets.lines import RowsView, to_strip

if TYPE_CHECKING:
    from textual import events

    from tui.replay.truth import Truth
    from tui.styled import Line


class TreePane(RowsView):
    """The tree of a replay, with a cursor on one node.

    Only the rows are drawn again that look different after a move.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Node up", show=False, id="tree.up"),
        Binding("down,j", "move(1)", "Node down", show=False, id="tree.down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="tree.page-up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="tree.page-down"),
        Binding("p", "parent", "To the parent", show=False, id="tree.parent"),
        Binding("enter,z", "fold", "Fold or unfold the node", show=False, id="tree.fold"),
        Binding("F", "fold_others", "Fold all but the way to the node", show=False, id="tree.fold-others"),
        Binding("Z", "hide", "Hide nodes without visits or samples", show=False, id="tree.hide"),
        Binding("o", "order", "Order by creation, N or V", show=False, id="tree.order"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tree--cursor"}

    @dataclass
    class Chosen(Message):
        """The cursor came to ``node``; ``by_hand``: a key or the mouse brought it there."""

        node: int
        by_hand: bool = False

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._player: Player | None = None
        self._rows: list[Row] = []
        self._places: dict[int, int] = {}
        self._deepest = 0
        self.view = View()
        self._trail: list[int] = [0]
        self._cursor = 0
        self._look = RowLook(valued=True, visited=True)
        self._drawn: dict[int, tuple[bool, Line]] = {}
        self._valued = self._visited = True
        self._truth: Truth | None = None
        self._apart: int | None = None

    @property
    def cursor(self) -> int:
        """The number of the chosen node."""
        return self._cursor

    def open(self, player: Player, truth: Truth | None, *, apart: int | None = None) -> None:
        """Show the tree of ``player``, cursor on the root.

        Args:
            player: the replay.
            truth: what the verdicts say; None while it is not to be shown.
            apart: the node where the solution leaves that of another search; it gets a mark.
        """
        self._player, self._truth, self._apart = player, truth, apart
        self._valued, self._visited = is_valued(player.survey.final), is_visited(player.survey.final)
        self.view = View()
        self._trail, self._cursor = [0], 0
        self.update(Change(structure=True, everything=True))

    def show_truth(self, truth: Truth | None) -> None:
        """Show what the verdicts say about the nodes, or no longer."""
        self._truth = truth
        self.update(Change(everything=True))

    def update(self, change: Change) -> None:
        """Draw again what ``change`` says, after a move of the player."""
        player = self._player
        if player is None:
            return
        before, look = self._look, self._look_at(player)
        self._look = look
        changed = change.nodes | (before.touched ^ look.touched) | (before.way ^ look.way)
        changed |= {node for node in (before.selected, look.selected) if node is not None}
        everything = change.everything or before.samples != look.samples
        if change.structure or self.view.order != "created" or self.view.hide:
            changed |= self._order(player)
        self._redraw(changed, everything=everything)

    def _look_at(self, player: Player) -> RowLook:
        way = () if player.selected is None else player.tree.ancestors(player.selected)
        samples = 0 if self._valued else sum(child.samples for child in player.tree.children(0))
        return RowLook(
            self._valued,
            self._visited,
            samples,
            self._truth,
            player.selected,
            frozenset(node.id for node in way),
            player.touched,
            self._apart,
        )

    def _redraw(self, nodes: frozenset[int] | set[int], *, everything: bool) -> None:
        if everything:
            self.refresh()
            return
        top, height = self.scroll_offset.y, self.size.height
        for node in nodes:
            place = self._places.get(node, -1)
            if top <= place < top + height:
                self._refresh_row(place)

    def _refresh_row(self, place: int) -> None:
        """Draw of a row what looks different; all of it where the cursor comes or goes."""
        node, drawn = self._rows[place].node, self._drawn.get(place)
        cursor = node == self._cursor
        if drawn is None or drawn[0] != cursor:
            self.refresh_line(place)
            return
        now = self._line(place, self.size.width)
        if now != drawn[1]:
            self.refresh_cells(place, [drawn[1]], [now])

    def choose(self, node: int, *, by_hand: bool = False) -> None:
        """Bring the cursor to ``node``, unfolding what hides it."""
        player = self._player
        if player is None or not 0 <= node < len(player.tree.nodes):
            return
        self._trail = [above.id for above in player.tree.ancestors(node)][::-1]
        self.view.folded.difference_update(self._trail[:-1])
        if node not in self._places:
            self._redraw(self._order(player), everything=False)
        self._set_cursor(node, by_hand=by_hand)

    def _order(self, player: Player) -> set[int]:
        """Put the rows in order again; returns the nodes whose rows look different."""
        old, was_deepest = self._rows, self._deepest
        self.view.keep = frozenset(self._trail) | self._look.way | self._look.touched
        self._rows = arrange(player.tree, self.view, counted=self._visited)
        self._places = {row.node: place for place, row in enumerate(self._rows)}
        self._deepest = max(row.level for row in self._rows)
        self.set_height(len(self._rows))
        self._keep_cursor()
        return self._moved_rows(old, redraw=was_deepest != self._deepest)

    def _moved_rows(self, old: list[Row], *, redraw: bool) -> set[int]:
        top = self.scroll_offset.y
        moved = set()
        for place in range(top, top + self.size.height):
            now = self._rows[place] if place < len(self._rows) else None
            before = old[place] if place < len(old) else None
            if now is None and before is not None:
                self.refresh_line(place)
            elif now is not None and (redraw or now != before or self._bends(old, place)):
                moved.add(now.node)
        return moved

    def _bends(self, old: list[Row], place: int) -> bool:
        """Whether a branch above the row was the last one before and is not now, or the other way round."""
        row = self._rows[place]
        while row.level:
            if row.above >= len(old) or old[row.above] != self._rows[row.above]:
                return True
            row = self._rows[row.above]
        return False

    def _keep_cursor(self) -> None:
        """The cursor's node may not be there: then it rests on the nearest one above, until it is again."""
        node = next((above for above in reversed(self._trail) if above in self._places), 0)
        if node != self._cursor:
            self._set_cursor(node)

    def _set_cursor(self, node: int, *, by_hand: bool = False) -> None:
        old, self._cursor = self._cursor, node
        self._redraw({old, node}, everything=False)
        self._scroll_to_cursor()
        self.post_message(self.Chosen(node, by_hand))

    def _scroll_to_cursor(self) -> None:
        place, height = self._places.get(self._cursor, 0), self.scrollable_content_region.height
        top = self.scroll_offset.y
        if not top <= place < top + height:
            # A scroll draws every row again: a third of the rows is left before the next one.
            near = 1 if abs(place - top) <= 1 or place == top + height else height // 3
            self._scroll_rows(max(place - near + 1, 0) if place < top else place - height + near)

    def _scroll_rows(self, top: int) -> None:
        # Without force nothing is scrolled before the first layout has shown a scroll bar.
        self.scroll_to(y=top, animate=False, force=True)

    def on_resize(self) -> None:
        if self._player is not None:
            self._order(self._player)
            self.refresh()
            self._scroll_to_cursor()

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.scroll_offset.y
        if place < len(self._rows):
            self.choose(self._rows[place].node, by_hand=True)

    def find(self, text: str, direction: int) -> tuple[int, int]:
        """Bring the cursor to the next step that holds ``text``, whatever the case; after the last the first.

        Returns:
            Which one of the steps that hold it, from 1, and how many do; zeros where none does.
        """
        if self._player is None:
            return 0, 0
        wanted = text.casefold()
        nodes = arrange(self._player.tree, View(order=self.view.order), counted=self._visited)
        order = [row.node for row in nodes]
        steps = ((node, self._player.tree.nodes[node].step) for node in order)
        found = [node for node, step in steps if step is not None and wanted in step.text.casefold()]
        if not found:
            return 0, 0
        places = {node: place for place, node in enumerate(order)}
        here = places[self._cursor]
        later = [node for node in found if places[node] > here]
        earlier = [node for node in found if places[node] < here]
        chosen = (later or found)[0] if direction > 0 else (earlier or found)[-1]
        self.choose(chosen, by_hand=True)
        return found.index(chosen) + 1, len(found)

    def action_move(self, rows: int) -> None:
        if self._rows:
            place = min(max(self._places[self._cursor] + rows, 0), len(self._rows) - 1)
            self.choose(self._rows[place].node, by_hand=True)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(self.scrollable_content_region.height - 1, 1))

    def action_parent(self) -> None:
        parent = None if self._player is None else self._player.tree.nodes[self._cursor].parent
        if parent is not None:
            self.choose(parent, by_hand=True)

    def action_fold(self) -> None:
        player = self._player
        if player is not None and player.tree.nodes[self._cursor].children:
            self.view.folded ^= {self._cursor}
            self._arrange_again(player)

    def action_fold_others(self) -> None:
        """Fold every node beside the way to the cursor; once more unfolds all."""
        player = self._player
        if player is None:
            return
        way = {node.id for node in player.tree.ancestors(self._cursor)}
        others = {node.id for node in player.tree.nodes if node.children and node.id not in way}
        self.view.folded = set() if self.view.folded == others else others
        self._arrange_again(player)

    def action_hide(self) -> None:
        self.view.hide = not self.view.hide
        if self._player is not None:
            self._arrange_again(self._player)

    def action_order(self) -> None:
        self.view.order = ORDERS[(ORDERS.index(self.view.order) + 1) % len(ORDERS)]
        if self._player is not None:
            self._arrange_again(self._player)
            names = {"created": "as they joined", "N": "the most visits first", "V": "the largest V first"}
            self.notify(f"children: {names[self.view.order]}", markup=False, timeout=2)

    def _arrange_again(self, player: Player) -> None:
        self._order(player)
        self.refresh()
        self._scroll_to_cursor()

    def row_strip(self, place: int, width: int) -> Strip:
        if self._player is None or place >= len(self._rows):
            self._drawn.pop(place, None)
            return Strip.blank(width, self.base)
        chosen = self._rows[place].node == self._cursor
        row = self._line(place, width)
        self._drawn[place] = (chosen, row)
        return to_strip(row, width, self.get_component_rich_style("tree--cursor") if chosen else self.base)

    def _line(self, place: int, width: int) -> Line:
        player = self._player
        assert player is not None
        node = player.tree.nodes[self._rows[place].node]
        joined = guides(self._rows, place, guide_cells(width), self._deepest)
        folded = len(node.children) if node.id in self.view.folded else 0
        return row_line(node, self._look, joined, folded, width)
