"""Two searches of one problem beside each other, linked by the tokens that they have spent."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container

from tui.gc_pauses import collect_as_before, collect_rarely
from tui.legend import SIDE_BY_SIDE
from tui.messages import PairChangesFound, PairOpened, ReadFailed
from tui.places import Place, ReplayPlace, RunsPlace, SideBySidePlace
from tui.replay.alike import Alike, alike
from tui.replay.marks import answer_changes
from tui.screens.base import MAIN
from tui.screens.replay_moves import ReplayMoves
from tui.snapshots import read_tree
from tui.styled import line
from tui.text import label, safe_text
from tui.widgets.half import Half
from tui.widgets.lines import LinesBar
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from tui.replay.player import Change, Player
    from tui.snapshots import OpenedTree
    from tui.styled import Line

WIDE = 100
"""Cells of a terminal from which on the two trees stand beside each other, and not one below the other."""


class SideBySideScreen(ReplayMoves):
    """The two searches that ``place`` names: keys move the one with the focus, the other follows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "difference", "Difference", tooltip="Where the solutions part", id="pair.difference"),
        Binding("L", "link", "Link", show=False, tooltip="By tokens spent, or not at all", id="pair.link"),
        Binding(
            "u", "alone", "Why", tooltip="The replay of this search alone, with reasons", id="pair.alone"
        ),
        Binding("J", "neighbour(1)", "Next problem of the list", show=False, id="pair.next"),
        Binding("K", "neighbour(-1)", "Previous problem of the list", show=False, id="pair.previous"),
    ]
    LEGEND = SIDE_BY_SIDE
    AUTO_FOCUS = "#tree-A"

    def __init__(self, reader: StoreReader, place: SideBySidePlace) -> None:
        super().__init__(reader, "side by side")
        self.place = place
        self.linked = True
        self.alike: Alike | None = None
        self._letter = "A"
        self._steady = False

    def compose(self) -> ComposeResult:
        with Container(id="halves"):
            yield Half("A", self.place.run_a, self.place.tree_a)
            yield Half("B", self.place.run_b, self.place.tree_b)
        yield LinesBar("pair", self._foot)
        yield self.keys_bar()

    def on_mount(self) -> None:
        for tree in self.query(TreePane):
            tree.loading = True
        self.reload()

    def above(self) -> Place:
        return RunsPlace()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= WIDE, "wide")
        self.set_class(event.size.height >= (30 if event.size.width >= WIDE else 40), "tall")

    def half(self, letter: str) -> Half:
        """The half with this letter."""
        return self.query_one(f"#half-{letter}", Half)

    @property
    def active(self) -> Half:
        """The half whose tree had the focus last."""
        return self.half(self._letter)

    @property
    def other(self) -> Half:
        """The half that follows."""
        return self.half("A" if self._letter == "B" else "B")

    def reload(self) -> None:
        if self.alike is not None:  # a search is written once, when it has ended
            self.caught_up(self._newest)
            return
        place = self.place
        self.read(
            MAIN,
            lambda reader: PairOpened(
                reader.version(),
                read_tree(reader, place.run_a, place.tree_a),
                read_tree(reader, place.run_b, place.tree_b),
            ),
        )

    def on_pair_opened(self, message: PairOpened) -> None:
        self.caught_up(message.version)
        found = alike(message.a.player.survey.final, message.b.player.survey.final)
        self.alike = found
        for tree in self.query(TreePane):
            tree.loading = False
        with self.prevent(TreePane.Chosen):
            self.half("A").open(message.a, found.apart_a)
            self.half("B").open(message.b, found.apart_b)
        self.half("A").pane.focus()
        self._take_active()
        self.query_one("#pair", LinesBar).update()
        self._find_changes(message.a.player, message.b.player)
        self._steady = True
        collect_rarely()

    def _find_changes(self, a: Player, b: Player) -> None:
        self.read(
            "changes",
            lambda _: PairChangesFound(*(answer_changes(each.record, each.constants) for each in (a, b))),
        )

    def on_pair_changes_found(self, message: PairChangesFound) -> None:
        for letter, changes in (("A", message.a), ("B", message.b)):
            half = self.half(letter)
            if half.timeline is not None:
                half.timeline.changes = changes
                half.show_time()

    def on_unmount(self) -> None:
        if self._steady:
            collect_as_before()

    def on_read_failed(self, message: ReadFailed) -> None:
        if self.alike is None and self.is_current:
            self.close()
        super().on_read_failed(message)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for half in self.query(Half):
            if half.pane is event.widget:
                self._letter = half.letter
        self._take_active()

    def _take_active(self) -> None:
        """Let the keys move the search whose tree has the focus; the other one no longer plays."""
        if self.timeline is not None and self.timeline is not self.active.timeline:
            self._set_pace(replace(self.timeline.pace, playing=False))
        opened = self.active.opened
        if opened is not None:
            self.player, self.truth, self.timeline = opened.player, opened.truth, self.active.timeline

    def on_tree_pane_chosen(self, message: TreePane.Chosen) -> None:
        """Bring the other cursor to the node to which the same steps lead, if there is one."""
        if not message.by_hand or self.alike is None:
            return
        matches = self.alike.b_of_a if self._letter == "A" else self.alike.a_of_b
        if message.node in matches:
            with self.prevent(TreePane.Chosen):
                self.other.pane.choose(matches[message.node])

    def moved(self, change: Change) -> None:
        self.active.show(change)
        if self.linked:
            self._follow(self.active.opened, self.other)

    def _follow(self, leader: OpenedTree | None, half: Half) -> None:
        """Bring a half to the last event by which it had spent no more tokens than the leader has."""
        if leader is None or half.opened is None:
            return
        ahead, behind = leader.player, half.opened.player
        if ahead.position in (0, ahead.length):
            half.jump(behind.length if ahead.position else 0)
        else:
            spent = ahead.survey.tokens[ahead.position]
            half.jump(bisect_right(behind.survey.tokens, spent) - 1)

    def look_at(self, node: int) -> None:
        self.active.pane.choose(node, by_hand=True)

    def show_timeline(self) -> None:
        for half in self.query(Half):
            half.show_time()

    def _foot(self, width: int) -> Sequence[Line]:
        opened = self.half("A").opened
        if opened is None or self.alike is None:
            return [line(("reading …", "dim"))]
        question = safe_text(opened.player.record.header.question, one_line=True, limit=4 * max(width, 1))
        return [line((question, "")), self._parting(self.alike, width)]

    def _parting(self, found: Alike, width: int) -> Line:
        if found.apart_a is None and found.apart_b is None:
            return line(("the solutions do not part, or a side has none", "dim"))
        room = max((width - 34) // 2, 10)
        return line(
            ("≠ ", "mark"),
            (f"{found.steps} steps alike, then  ", "dim"),
            ("A ", "good"),
            self._step("A", found.apart_a, room),
            ("  B ", "mark"),
            self._step("B", found.apart_b, room),
        )

    def _step(self, letter: str, node: int | None, room: int) -> str:
        opened = self.half(letter).opened
        if node is None or opened is None:
            return "ends"
        step = opened.player.survey.final.nodes[node].step
        return label("" if step is None else step.text, room)

    def action_difference(self) -> None:
        """Each side goes to the event by which the step joined that its solution has alone."""
        if self.alike is None:
            return
        for half, node in ((self.half("A"), self.alike.apart_a), (self.half("B"), self.alike.apart_b)):
            if node is not None and half.opened is not None:
                half.jump(half.opened.player.survey.joins(node))
                with self.prevent(TreePane.Chosen):
                    half.pane.choose(node)

    def action_link(self) -> None:
        self.linked = not self.linked
        self.tell("the other search follows by tokens" if self.linked else "the other search stays")
        if self.linked:
            self._follow(self.active.opened, self.other)

    def action_alone(self) -> None:
        first = self._letter == "A"
        run, tree = (self.place.run_a, self.place.tree_a) if first else (self.place.run_b, self.place.tree_b)
        siblings = tuple(pair[0 if first else 1] for pair in self.place.pairs)
        self.open(ReplayPlace(run, tree, siblings))

    def action_neighbour(self, direction: int) -> None:
        place, pairs = self.place, self.place.pairs
        if (place.tree_a, place.tree_b) not in pairs:
            self.tell("these trees were opened by themselves; open them from a comparison")
            return
        at = pairs.index((place.tree_a, place.tree_b)) + direction
        if not 0 <= at < len(pairs):
            self.tell(f"this is the {'last' if direction > 0 else 'first'} problem of the list")
            return
        self.open(SideBySidePlace(place.run_a, pairs[at][0], place.run_b, pairs[at][1], pairs), instead=True)
