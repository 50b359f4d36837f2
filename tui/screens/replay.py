"""Replay of one search, event by event."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer

from tui.gc_pauses import collect_as_before, collect_rarely
from tui.messages import LabelsRead, PageMade, ReadFailed, TreeRead
from tui.page.page import file_name, read_replay_page
from tui.places import Place, TreesPlace
from tui.replay.detail import Labels, describe_node
from tui.replay.player import Change, Player
from tui.replay.timeline import Pace, bar_position, describe_moment
from tui.screens.base import MAIN, StoreScreen
from tui.screens.position import PositionScreen
from tui.snapshots import read_tree
from tui.taking import Taken
from tui.text import safe_text
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer

    from store.index.reader import StoreReader
    from tui.styled import Line

_SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Events a second."""


class ReplayScreen(StoreScreen):
    """The search ``tree`` of ``run``: its tree, one node in full, and the timeline."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Back", key_display="←", id="replay.back"),
        Binding("right,l", "step(1)", "Forward", key_display="→", id="replay.forward"),
        Binding("shift+left", "step(-10)", "10 events back", show=False, id="replay.back-ten"),
        Binding("shift+right", "step(10)", "10 events forward", show=False, id="replay.forward-ten"),
        Binding(
            "left_square_bracket",
            "round(-1)",
            "Round back",
            show=False,
            key_display="[",
            id="replay.previous-round",
        ),
        Binding("right_square_bracket", "round(1)", "Round", key_display="]", id="replay.next-round"),
        Binding("home", "start", "Start", show=False, id="replay.start"),
        Binding("end", "end", "End", show=False, id="replay.end"),
        Binding("g", "go", "Go to", tooltip="Go to an event by its number", id="replay.go"),
        Binding("space", "play", "Play", tooltip="Play or pause", id="replay.play"),
        Binding("plus,equals_sign", "faster(1)", "Faster", show=False, key_display="+", id="replay.faster"),
        Binding("minus", "faster(-1)", "Slower", show=False, key_display="-", id="replay.slower"),
        Binding("f", "follow", "Follow the events with the cursor", show=False, id="replay.follow"),
        Binding("e", "export", "Export as an HTML page", show=False, id="replay.export"),
        Binding("w", "whole", "Whole", tooltip="Whole partial solution or last step", id="replay.whole"),
    ]
    AUTO_FOCUS = "#tree"

    def __init__(self, reader: StoreReader, run: str, tree: str) -> None:
        super().__init__(reader, f"{run} / {tree}")
        self.run_name = run
        self.tree_name = tree
        self.player: Player | None = None
        self.pace = Pace()
        self.following = True
        self.whole = False
        self._labels: Labels = {}
        self._steady = False
        self._timer: Timer | None = None
        self._shown: tuple[int, bool] = (0, False)

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        with Horizontal():
            yield TreePane("tree")
            yield LinesPane("node")
        yield LinesBar("timeline", self._timeline)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.query_one("#tree", TreePane).loading = True
        self.reload()

    def above(self) -> Place:
        return TreesPlace(self.run_name)

    def reload(self) -> None:
        run, tree = self.run_name, self.tree_name
        if self.player is None:
            self.read(MAIN, lambda reader: TreeRead(reader.version(), read_tree(reader, run, tree)))
        else:  # a search is written once, when it has ended: only what was said about it later can change
            self.read(MAIN, lambda reader: LabelsRead(reader.version(), reader.labels(run, tree)))

    def on_tree_read(self, message: TreeRead) -> None:
        self.caught_up(message.version)
        self.player, self._labels = message.opened.player, message.opened.labels
        tree = self.query_one("#tree", TreePane)
        tree.loading = False
        tree.open(self.player)
        tree.focus()
        self._moved(Change())
        self._steady = True
        collect_rarely()

    def on_unmount(self) -> None:
        if self._steady:
            collect_as_before()

    def on_labels_read(self, message: LabelsRead) -> None:
        self.caught_up(message.version)
        self._labels = message.labels
        self._show_node()

    def on_read_failed(self, message: ReadFailed) -> None:
        if self.player is None and self.is_current:
            self.close()
        super().on_read_failed(message)

    def on_tree_pane_chosen(self, message: TreePane.Chosen) -> None:
        self._show_node()

    def _moved(self, change: Change) -> None:
        """The player has moved: bring tree, detail and timeline after it."""
        player = self.player
        if player is None:
            return
        tree = self.query_one("#tree", TreePane)
        with self.prevent(TreePane.Chosen):  # tree and detail are to change in the same frame
            tree.update(change)
            if self.following and player.focus != tree.cursor:
                tree.choose(player.focus)
        self._show_node()
        self.query_one("#timeline", LinesBar).update()

    def _show_node(self) -> None:
        if self.player is None:
            return
        node = self.query_one("#tree", TreePane).cursor
        lines = describe_node(self.player, node, self._labels, whole=self.whole)
        same = self._shown == (node, self.whole)
        self._shown = (node, self.whole)
        self.query_one("#node", LinesPane).show(lines, keep_scroll=same)

    def _timeline(self, width: int) -> Sequence[Line]:
        return [] if self.player is None else describe_moment(self.player, self.pace, width)

    def on_click(self, event: events.Click) -> None:
        bar = self.query_one("#timeline", LinesBar)
        if self.player is None or event.widget is not bar or event.y != 0:
            return
        position = bar_position(self.player, self.pace, bar.size.width, event.x)
        if position is not None:
            self._moved(self.player.jump(position))

    def action_step(self, events: int) -> None:
        if self.player is not None:
            self._moved(self.player.jump(self.player.position + events))

    def action_round(self, direction: int) -> None:
        if self.player is not None:
            self._moved(self.player.next_round() if direction > 0 else self.player.previous_round())

    def action_start(self) -> None:
        if self.player is not None:
            self._moved(self.player.jump(0))

    def action_end(self) -> None:
        if self.player is not None:
            self._moved(self.player.jump(self.player.length))

    def action_go(self) -> None:
        if self.player is not None:
            self.app.push_screen(PositionScreen(self.player.length), self._go)

    def _go(self, position: int | None) -> None:
        if self.player is not None and position is not None:
            self._moved(self.player.jump(position))

    def action_play(self) -> None:
        if self.player is None:
            return
        if not self.pace.playing and self.player.position == self.player.length:
            self._moved(self.player.jump(0))
        self._set_pace(replace(self.pace, playing=not self.pace.playing))

    def action_faster(self, direction: int) -> None:
        place = _SPEEDS.index(self.pace.speed) + direction
        self._set_pace(replace(self.pace, speed=_SPEEDS[min(max(place, 0), len(_SPEEDS) - 1)]))

    def _set_pace(self, pace: Pace) -> None:
        self.pace = pace
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if pace.playing:
            self._timer = self.set_interval(1 / pace.speed, self._play_on)
        self.query_one("#timeline", LinesBar).update()

    def _play_on(self) -> None:
        if self.player is None:
            return
        self._moved(self.player.forward())
        if self.player.position == self.player.length:
            self._set_pace(replace(self.pace, playing=False))

    def taken(self) -> Taken | None:
        if self.player is None:
            return None
        node = self.player.tree.nodes[self.query_one("#tree", TreePane).cursor]
        question = safe_text(self.player.record.header.question)
        own = question if node.step is None else safe_text(node.step.text)
        solution = safe_text(self.player.tree.text(node.id), limit=1_000_000)
        what = "the question" if node.step is None else f"the step of node {node.id}"
        return Taken(what, own.strip(), f"{question}\n\n{solution}")

    def action_export(self) -> None:
        run, tree = self.run_name, self.tree_name
        name = file_name(run, tree)
        self.read("export", lambda reader: PageMade(name, read_replay_page(reader, run, tree)))

    def on_page_made(self, message: PageMade) -> None:
        self.hand_over(message.name, message.page)

    def action_follow(self) -> None:
        self.following = not self.following
        if self.following:
            self._moved(Change())
        self.notify(f"cursor {'follows the events' if self.following else 'stays'}", markup=False, timeout=2)

    def action_whole(self) -> None:
        self.whole = not self.whole
        self._show_node()
