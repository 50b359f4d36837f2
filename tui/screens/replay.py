"""Replay of one search, event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui.gc_pauses import collect_as_before, collect_rarely
from tui.legend import REPLAY
from tui.messages import BookmarksRead, ChangesFound, LabelsRead, PageMade, ReadFailed, TreeRead
from tui.page.page import file_name, read_replay_page
from tui.places import Place, ReplayPlace, TreesPlace
from tui.replay.bookmarks import Bookmark, add_bookmark, read_bookmarks
from tui.replay.detail import Labels, describe_node
from tui.replay.head import describe_search
from tui.replay.marks import answer_changes
from tui.replay.player import Change
from tui.replay.reasons.explain import explain
from tui.replay.reasons.vote import explain_votes
from tui.replay.timeline import Timeline
from tui.screens.base import MAIN
from tui.screens.prompt import PromptScreen
from tui.screens.replay_moves import ReplayMoves
from tui.snapshots import read_tree
from tui.taking import Taken
from tui.text import safe_text
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from tui.replay.truth import Truth
    from tui.styled import Line

_TALL = 34
"""Rows of a terminal that has room for the reasons and the node at the same time."""


class ReplayScreen(ReplayMoves):
    """The search ``tree`` of ``run``: its tree, why the last event came, one node in full, and the timeline.

    Args:
        reader: the store.
        run: the run of the search.
        tree: the search, named ``<phase>/<number>``.
        siblings: the trees of the list that it was opened from, for the next and the previous one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "why", "Why", tooltip="Why the last event came", id="replay.why"),
        Binding("v", "votes", "Votes", show=False, tooltip="How the answers stand", id="replay.votes"),
        Binding("x", "xray", "X-ray", show=False, tooltip="What the verdicts say", id="replay.xray"),
        Binding("w", "whole", "Whole solution or last step", show=False, id="replay.whole"),
        Binding("f", "follow", "Follow the events with the cursor", show=False, id="replay.follow"),
        Binding("slash", "find", "Find in steps", show=False, key_display="/", id="replay.find"),
        Binding("n", "find_next(1)", "Next found", show=False, id="replay.find-next"),
        Binding("N", "find_next(-1)", "Previous found", show=False, id="replay.find-previous"),
        Binding("J", "neighbour(1)", "Next tree of the list", show=False, id="replay.next-tree"),
        Binding("K", "neighbour(-1)", "Previous tree of the list", show=False, id="replay.previous-tree"),
        Binding("apostrophe", "note", "Bookmark with a note", show=False, key_display="'", id="replay.note"),
        Binding("e", "export", "Export as an HTML page", show=False, id="replay.export"),
    ]
    LEGEND = REPLAY
    AUTO_FOCUS = "#tree"

    def __init__(self, reader: StoreReader, run: str, tree: str, siblings: Sequence[str] = ()) -> None:
        super().__init__(reader, f"{run} / {tree}")
        self.run_name = run
        self.tree_name = tree
        self.neighbours = tuple(siblings)
        self.following = True
        self.whole = False
        self.xray = True
        self._labels: Labels = {}
        self._steady = False
        self._why = True
        self._votes = False
        self._node_in_front = False
        self._sought = ""
        self._shown: tuple[int, bool] = (0, False)

    def compose(self) -> ComposeResult:
        yield LinesBar("title", self._head)
        with Horizontal():
            yield TreePane("tree")
            with Horizontal(id="side"):
                yield Static(id="divider")  # its own widget: a border would be sent with every row beside it
                with Vertical():
                    yield LinesPane("why")
                    yield LinesPane("node")
        yield LinesBar("timeline", lambda width: [] if self.timeline is None else self.timeline.lines(width))
        yield self.keys_bar()

    def on_mount(self) -> None:
        self.query_one("#tree", TreePane).loading = True
        self._share_side()
        self.reload()

    def above(self) -> Place:
        return TreesPlace(self.run_name, self.tree_name.rpartition("/")[0], self.tree_name)

    def reload(self) -> None:
        run, tree = self.run_name, self.tree_name
        if self.player is None:
            self.read(MAIN, lambda reader: TreeRead(reader.version(), read_tree(reader, run, tree)))
        else:  # a search is written once, when it has ended: only what was said about it later can change
            self.read(MAIN, lambda reader: LabelsRead(reader.version(), reader.labels(run, tree)))

    def on_tree_read(self, message: TreeRead) -> None:
        self.caught_up(message.version)
        opened = message.opened
        self.player, self._labels, self.truth = opened.player, opened.labels, opened.truth
        self.timeline = Timeline(opened.player, truth=self._seen_truth())
        self._read_bookmarks()
        tree = self.query_one("#tree", TreePane)
        tree.loading = False
        opened.player.jump(opened.player.length)
        tree.open(opened.player, self._seen_truth())
        tree.focus()
        self.query_one("#title", LinesBar).update()
        self.moved(Change())
        self._find_changes()
        self._steady = True
        collect_rarely()

    def _find_changes(self) -> None:
        player = self.player
        if player is not None:
            record, constants = player.record, player.constants
            self.read("changes", lambda _: ChangesFound(answer_changes(record, constants)))

    def on_changes_found(self, message: ChangesFound) -> None:
        if self.timeline is not None:
            self.timeline.changes = message.changes
            self.show_timeline()

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
        if message.by_hand:
            self._stay_at(message.node)
            self._node_in_front = True
            self._share_side()
        self._show_node()

    def _stay_at(self, node: int | None) -> None:
        """Keep the cursor at ``node``, whatever happens elsewhere; None: follow the events again."""
        self.following = node is None
        if self.timeline is not None and self.timeline.pinned != node:
            self.timeline.pinned = node
            self.show_timeline()

    def moved(self, change: Change) -> None:
        player = self.player
        if player is None:
            return
        tree = self.query_one("#tree", TreePane)
        with self.prevent(TreePane.Chosen):  # tree and panes are to change in the same frame
            tree.update(change)
            if self.following and player.focus != tree.cursor:
                tree.choose(player.focus)
        self._node_in_front = False
        self._share_side()
        self._show_why()
        self._show_node()
        self.show_timeline()

    def look_at(self, node: int) -> None:
        self.query_one("#tree", TreePane).choose(node, by_hand=True)

    def show_timeline(self) -> None:
        self.query_one("#timeline", LinesBar).update()

    def _seen_truth(self) -> Truth | None:
        return self.truth if self.xray else None

    def _share_side(self) -> None:
        """Show reasons and node, or where there is no room for both, what was asked for last."""
        tall = self.size.height >= _TALL
        why = self._why and (tall or not self._node_in_front)
        self.query_one("#why", LinesPane).display = why
        self.query_one("#node", LinesPane).display = tall or not why

    def on_resize(self) -> None:
        self._share_side()
        self.call_after_refresh(self._show_panes)

    def _show_panes(self) -> None:
        if self.player is not None:  # the screen may have been closed since
            self._show_why()
            self._show_node()

    def _show_why(self) -> None:
        pane = self.query_one("#why", LinesPane)
        if self.player is not None and pane.display:
            about = explain_votes if self._votes else explain
            lines = about(self.player, self._seen_truth(), pane.room)
            pane.show(lines, keep_scroll=False)

    def _show_node(self) -> None:
        pane = self.query_one("#node", LinesPane)
        if self.player is None or not pane.display:
            return
        node = self.query_one("#tree", TreePane).cursor
        lines = describe_node(
            self.player, node, self._labels, truth=self._seen_truth(), whole=self.whole, width=pane.room
        )
        same = self._shown == (node, self.whole)
        self._shown = (node, self.whole)
        pane.show(lines, keep_scroll=same)

    def _head(self, width: int) -> Sequence[Line]:
        record = None if self.player is None else self.player.record
        return describe_search(self.title or "", record, width)

    def on_click(self, event: events.Click) -> None:
        bar = self.query_one("#timeline", LinesBar)
        if self.timeline is None or event.widget is not bar or event.y > 1:
            return
        position = self.timeline.position_at(event.x - bar.gutter.left, bar.size.width)
        if position is not None:
            self.jump(position)

    def action_why(self) -> None:
        self._why = not self._why or self._node_in_front or self._votes
        self._node_in_front = self._votes = False
        self._share_side()
        self.call_after_refresh(self._show_panes)

    def action_votes(self) -> None:
        self._votes = not self._votes or self._node_in_front
        self._why, self._node_in_front = True, False
        self._share_side()
        self.call_after_refresh(self._show_panes)

    def action_xray(self) -> None:
        if self.truth is None or self.timeline is None:
            return
        if not self.truth.verdicts:
            self.tell("no answer of this search was verified")
            return
        self.xray = not self.xray
        self.timeline.truth = self._seen_truth()
        self.query_one("#tree", TreePane).show_truth(self._seen_truth())
        self._show_panes()
        self.show_timeline()

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
        self._stay_at(self.query_one("#tree", TreePane).cursor if self.following else None)
        if self.following:
            self.moved(Change())
        self.tell(f"cursor {'follows the events' if self.following else 'stays'}")

    def action_whole(self) -> None:
        self.whole = not self.whole
        self._node_in_front = True
        self._share_side()
        self.call_after_refresh(self._show_node)

    def action_find(self) -> None:
        if self.player is not None:
            self.app.push_screen(PromptScreen("Find in the steps of the tree", self._sought), self._find)

    def _find(self, text: str | None) -> None:
        if text is not None:
            self._sought = text
            self.action_find_next(1)

    def action_find_next(self, direction: int) -> None:
        tree = self.query_one("#tree", TreePane)
        if not self._sought:
            self.tell("/ finds steps by their text")
            return
        place, found = tree.find(self._sought, direction)
        self.tell(f"step {place} of {found} that hold it" if found else "no step of the tree holds it")

    def action_neighbour(self, direction: int) -> None:
        if self.tree_name not in self.neighbours:
            self.tell("this tree was opened by itself; open it from the list of trees")
            return
        place = self.neighbours.index(self.tree_name) + direction
        if not 0 <= place < len(self.neighbours):
            self.tell(f"this is the {'last' if direction > 0 else 'first'} tree of the page")
            return
        self.open(ReplayPlace(self.run_name, self.neighbours[place], self.neighbours), instead=True)

    def action_note(self) -> None:
        if self.player is not None:
            self.app.push_screen(PromptScreen(f"Note at event {self.player.position}"), self._note)

    def _note(self, text: str | None) -> None:
        if self.player is not None and text is not None:
            self._read_bookmarks(Bookmark(self.player.position, text))

    def _read_bookmarks(self, added: Bookmark | None = None) -> None:
        """Read the bookmarks of the tree, once ``added`` is one of them."""
        run, tree = self.run_name, self.tree_name

        def read(reader: StoreReader) -> BookmarksRead:
            if added is not None:
                add_bookmark(reader, run, tree, added)
            return BookmarksRead(read_bookmarks(reader, run, tree))

        self.read("bookmarks", read)

    def on_bookmarks_read(self, message: BookmarksRead) -> None:
        if self.timeline is not None:
            self.timeline.bookmarks = {bookmark.position: bookmark.note for bookmark in message.found}
            self.show_timeline()
