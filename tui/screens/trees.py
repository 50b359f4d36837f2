"""The trees of a run: filtered, sorted, page by page, with the solutions of one beside them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from store.errors import InputError
from store.filter_text import KINDS, parse, written
from store.index.reader import ORDERS
from store.queries import TreeFilter
from tui.legend import TREES
from tui.messages import KnownRead, PageRead, PreviewRead, SpreadRead
from tui.places import Navigator, Place, ReplayPlace, RunsPlace
from tui.screens.base import MAIN, StoreScreen
from tui.screens.choice import ChoiceScreen
from tui.screens.filter_form import FilterForm
from tui.styled import Line, line
from tui.taking import Taken, command
from tui.text import label, safe_text
from tui.trees.pages import (
    NARROW,
    PAGE,
    SPREAD,
    Spread,
    TreePage,
    TreeQuery,
    read_known,
    read_page,
    read_preview,
    read_spread,
)
from tui.trees.preview import preview_lines, spread_line
from tui.trees.rows import columns, row, title_of
from tui.widgets.filter_line import FilterLine
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import ListTable, RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.timer import Timer

    from store.index.reader import StoreReader
    from store.records import TreeSummary

TYPING_SECONDS = 0.12
"""What is typed is looked for when no further letter has come for so long."""

WIDE = 120
"""Cells from which on the solutions of a tree stand beside the list."""


class TreesScreen(StoreScreen):
    """The trees of ``run``: those of a phase, those that pass a filter, or those that were shown last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "type_filter", "Filter", key_display="/", id="trees.filter"),
        Binding("F", "form", "Form", tooltip="The filter as a form", id="trees.form"),
        Binding("o", "sort", "Sort", tooltip="Choose what the list is sorted by", id="trees.sort"),
        Binding("x", "clear", "Clear", tooltip="All trees again", id="trees.clear"),
        Binding("O", "reverse", "Reverse the order", show=False, id="trees.reverse"),
        Binding("n", "turn(1)", "Next page", show=False, id="trees.next"),
        Binding("b", "turn(-1)", "Previous page", show=False, id="trees.previous"),
        *(
            Binding(
                str(key), f"kind('{kind}')", f"Only is:{kind}, or all again", show=False, id=f"trees.{kind}"
            )
            for key, kind in enumerate(KINDS, 1)
        ),
    ]
    LEGEND = TREES
    AUTO_FOCUS = "#trees"

    def __init__(
        self,
        reader: StoreReader,
        run: str,
        phase: str | None = None,
        tree: str | None = None,
        wanted: TreeFilter | None = None,
    ) -> None:
        super().__init__(reader, f"{run} / trees")
        self.run_name = run
        self._asked_for = wanted is not None or phase is not None
        named = TreeFilter(run, phases=() if phase is None else (phase,)) if wanted is None else wanted
        self.search = TreeQuery(named, page=_page_of(tree))
        self.page: TreePage | None = None
        self.spread: Spread | None = None
        self._begin_at = tree
        self._from_top = True
        self._previewed: TreeSummary | None = None
        self._problem: str | None = None
        self._typing: Timer | None = None
        self._listing: StoreReader | None = None

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield FilterLine("filter")
        yield LinesBar("filters", self._status)
        with Horizontal():
            yield ListTable("trees")
            yield LinesPane("preview")
        yield LinesBar("spread", self._spread)
        yield self.keys_bar()

    def on_mount(self) -> None:
        kept = cast("Navigator", self.app).queries
        if not self._asked_for:
            self.search = kept.get(self.run_name, self.search)
        self.query_one(FilterLine).show(written(self.search.wanted))
        self.read("known", lambda reader: KnownRead(read_known(reader, self.run_name)))
        self.reload()

    def on_unmount(self) -> None:
        if self._listing is not None:
            self._listing.interrupt()
            self._listing.close()

    def above(self) -> Place:
        return RunsPlace()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= WIDE, "wide")
        self.call_after_refresh(self._fill)

    def listing(self) -> StoreReader:
        """A reader for the list alone, whose queries end when others take their place."""
        if self._listing is None:
            self._listing = self.reader.beside()
        return self._listing

    def reload(self) -> None:
        query = self.search
        self.read(MAIN, lambda _: PageRead(read_page(self.listing(), query)))

    def ask(self, query: TreeQuery) -> None:
        """Show what ``query`` finds, and no longer what was asked for before."""
        self.search = query
        self._problem = None
        cast("Navigator", self.app).queries[self.run_name] = query
        self.query_one("#filters", LinesBar).update()
        if self._listing is not None:
            self._listing.interrupt()
        self.reload()

    def narrow(self, wanted: TreeFilter) -> None:
        """Show what passes another filter."""
        self.query_one(FilterLine).show(written(wanted))
        self.ask(replace(self.search, wanted=wanted, page=0))

    def command(self) -> str:
        """The command that prints what the list shows."""
        words = ["restmcts", "trees", self.run_name]
        text = written(self.search.wanted)
        words += [text] if text else []
        words += [] if self.search.order_by == "id" else ["--by", self.search.order_by]
        words += ["--descending"] if self.search.descending else []
        return shlex.join([*words, "--root", str(self.reader.root)])

    def on_page_read(self, message: PageRead) -> None:
        if message.page.query != self.search:
            return
        self.caught_up(message.page.version)
        self._from_top |= self.page is None or self.page.query != message.page.query
        self.search = replace(self.search, page=min(self.search.page, message.page.pages - 1))
        self.page = replace(message.page, query=self.search)
        self._fill()
        wanted, names = self.search.wanted, SPREAD if self.has_class("wide") else SPREAD[:NARROW]
        self.read("spread", lambda _: SpreadRead(read_spread(self.listing(), wanted, names)))

    def on_spread_read(self, message: SpreadRead) -> None:
        if message.spread.wanted == self.search.wanted:
            self.spread = message.spread
            self.query_one("#spread", LinesBar).update()

    def on_known_read(self, message: KnownRead) -> None:
        self.query_one(FilterLine).words.known = message.known

    def on_preview_read(self, message: PreviewRead) -> None:
        if message.preview.tree == self._chosen():
            self.query_one("#preview", LinesPane).show(preview_lines(message.preview), keep_scroll=False)

    def _fill(self) -> None:
        table = self.query_one("#trees", RowTable)
        if self.page is not None and table.size.width:
            shown = columns(table.size.width, self.page.query, self.page.trees)
            table.show(shown, [row(tree, self.page.query, shown) for tree in self.page.trees])
            if self._from_top:
                table.move_cursor(row=self._first_row())
                self._from_top = False
            self._read_preview()
        self.query_one("#filters", LinesBar).update()

    def _first_row(self) -> int:
        """The row of a page where the cursor begins: the tree that the screen was opened at, or the first."""
        trees = [] if self.page is None else [tree.id for tree in self.page.trees]
        wanted, self._begin_at = self._begin_at, None
        return trees.index(wanted) if wanted in trees else 0

    def _chosen(self) -> TreeSummary | None:
        """The tree under the cursor."""
        chosen = self.query_one("#trees", RowTable).chosen
        trees = () if self.page is None else self.page.trees
        return next((tree for tree in trees if tree.id == chosen), None)

    def _read_preview(self) -> None:
        tree = self._chosen()
        if tree is None:
            self._previewed = None
            self.query_one("#preview", LinesPane).show([], keep_scroll=False)
        elif self.has_class("wide") and tree != self._previewed:
            self.read("preview", partial(_preview, tree))
            self._previewed = tree

    def on_data_table_row_highlighted(self, event: RowTable.RowHighlighted) -> None:
        self._read_preview()

    def _status(self, width: int) -> Sequence[Line]:
        if self._problem is not None:
            return [line((label(self._problem, max(width, 2)), "bad"))]
        order = f"{title_of(self.search.order_by)} {'↓' if self.search.descending else '↑'}"
        return [line(_place(self.page, self.search), (" · by ", "dim"), (order, "bold"))]

    def _spread(self, width: int) -> Sequence[Line]:
        return [] if self.spread is None else [spread_line(self.spread, width)]

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_SECONDS, self._take_typed)

    def _take_typed(self) -> None:
        """Look for what the line says, or say why that cannot be done."""
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        try:
            wanted = parse(self.query_one(FilterLine).value, self.run_name)
        except InputError as error:
            self._problem = str(error)
            self.query_one("#filters", LinesBar).update()
            return
        if wanted != self.search.wanted or self._problem is not None:
            self.ask(replace(self.search, wanted=wanted, page=0))

    def on_filter_line_left(self, message: FilterLine.Left) -> None:
        if self._typing is not None:
            self._take_typed()
        self.query_one("#trees", RowTable).focus()

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        self.action_open()

    def on_data_table_header_selected(self, event: RowTable.HeaderSelected) -> None:
        name = "problem" if event.column_key.value == "question" else event.column_key.value
        if name == self.search.order_by:
            self.action_reverse()
        elif name in ORDERS:
            self.ask(replace(self.search, order_by=name, descending=False, page=0))

    def action_open(self) -> None:
        tree = self.query_one("#trees", RowTable).chosen
        if tree is not None:
            siblings = tuple(each.id for each in self.page.trees) if self.page else ()
            self.open(ReplayPlace(self.run_name, tree, siblings))

    def taken(self) -> Taken | None:
        chosen = self.query_one("#trees", RowTable).chosen
        tree = next((tree for tree in self.page.trees if tree.id == chosen), None) if self.page else None
        if tree is None:
            return None
        place = f"{self.run_name}/{tree.id}"
        shown = command("restmcts", "show", place, "--root", str(self.reader.root))
        return Taken("the command", shown, f"{safe_text(tree.question)}\n\n{shown}\n{self.command()}\n")

    def action_type_filter(self) -> None:
        self.query_one(FilterLine).focus()

    def action_form(self) -> None:
        known = self.query_one(FilterLine).words.known
        self.app.push_screen(FilterForm(self.search.wanted, known), self._take_form)

    def _take_form(self, wanted: TreeFilter | None) -> None:
        if wanted is not None:
            self.narrow(wanted)

    def action_kind(self, name: str) -> None:
        kinds = tuple(kind for kind in KINDS if kind == name)
        wanted = self.search.wanted
        self.narrow(replace(wanted, kinds=() if wanted.kinds == kinds else kinds))

    def action_clear(self) -> None:
        self.narrow(TreeFilter(self.run_name))

    def action_sort(self) -> None:
        choices = {name: title_of(name) for name in ORDERS}
        self.app.push_screen(ChoiceScreen("Sort by", choices, self.search.order_by), self._take_order)

    def _take_order(self, name: str | None) -> None:
        if name is not None:
            self.ask(replace(self.search, order_by=name, descending=False, page=0))

    def action_reverse(self) -> None:
        self.ask(replace(self.search, descending=not self.search.descending, page=0))

    def on_list_table_past_end(self, event: ListTable.PastEnd) -> None:
        self.action_turn(event.pages)

    def action_turn(self, pages: int) -> None:
        last = self.page.pages - 1 if self.page else 0
        page = min(max(self.search.page + pages, 0), last)
        if page != self.search.page:
            self.ask(replace(self.search, page=page))


def _preview(tree: TreeSummary, reader: StoreReader) -> PreviewRead:
    return PreviewRead(read_preview(reader, tree))


def _page_of(tree: str | None) -> int:
    """The page on which a tree of a phase is listed where numbers have no gaps; 0 for None."""
    return 0 if tree is None else int(tree.rpartition("/")[2]) // PAGE


def _place(page: TreePage | None, query: TreeQuery) -> str:
    """Which trees of how many are shown, or why there is none."""
    if page is None or page.query.wanted != query.wanted:
        return "reading …"
    if not page.total:
        everything = TreeFilter(query.wanted.run)
        return "no trees" if query.wanted == everything else "no trees (x clears the filters)"
    first = page.query.page * PAGE + 1
    return f"{first:,} to {first + len(page.trees) - 1:,} of {page.total:,}"
