"""The trees of a run: sorted, filtered, page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.legend import TREES
from tui.messages import PageRead
from tui.places import Place, ReplayPlace, RunsPlace
from tui.screens.base import MAIN, StoreScreen
from tui.snapshots import PAGE, TreePage, TreeQuery, read_page
from tui.styled import Line, Style, line
from tui.taking import Taken, command
from tui.text import count, label, safe_text, verdict
from tui.widgets.lines import LinesBar
from tui.widgets.table import Column, ListTable, Row, RowTable, cell, right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text
    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from store.records import TreeSummary

_COLUMNS = {
    "number": 5,
    "phase": 9,
    "problem": 13,
    "method": 6,
    "answer": 6,
    "oracle": 6,
    "correct": 2,
    "nodes": 5,
    "policy_tokens": 6,
}
"""Columns by what the store sorts them by, and their least width; oracle answers are not sorted by."""

_TITLES = {"number": "no", "correct": "ok", "policy_tokens": "tokens"}
_GROWING = {"problem": 0.45, "answer": 0.15, "oracle": 0.15, "phase": 0.15, "method": 0.1}
"""How a wider terminal's cells are shared out."""

_Choice = TypeVar("_Choice")


class FilterInput(Input):
    """The text filter; escape and enter go back to the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,down", "leave", "To the table", show=False, id="trees.leave-filter"),
    ]

    def action_leave(self) -> None:
        self.screen.query_one(RowTable).focus()


class TreesScreen(StoreScreen):
    """The trees of ``run``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter_text", "Find", key_display="/", id="trees.text"),
        Binding("s", "cycle_solved", "Solved", tooltip="All, solved, unsolved", id="trees.solved"),
        Binding("m", "cycle_method", "Method", id="trees.method"),
        Binding("i", "cycle_iteration", "Iteration", id="trees.iteration"),
        Binding("x", "clear", "Clear the filters", show=False, id="trees.clear"),
        Binding("o", "sort", "Sort", tooltip="Sort by the next column", id="trees.sort"),
        Binding("O", "reverse", "Reverse the order", show=False, id="trees.reverse"),
        Binding("n", "turn(1)", "Next page", show=False, id="trees.next"),
        Binding("b", "turn(-1)", "Previous page", show=False, id="trees.previous"),
    ]
    LEGEND = TREES
    AUTO_FOCUS = "#trees"

    def __init__(
        self, reader: StoreReader, run: str, phase: str | None = None, tree: str | None = None
    ) -> None:
        super().__init__(reader, f"{run} / trees")
        self.run_name = run
        self.search = TreeQuery(run, phase=phase, page=_page_of(tree))
        self.page: TreePage | None = None
        self._begin_at = tree

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield LinesBar("filters", self._status)
        yield FilterInput(placeholder="find in problems, questions, answers", compact=True, id="text")
        yield ListTable("trees")
        yield self.keys_bar()

    def on_mount(self) -> None:
        self.reload()

    def above(self) -> Place:
        return RunsPlace()

    def on_resize(self) -> None:
        self._set_columns()

    def reload(self) -> None:
        query = self.search
        self.read(MAIN, lambda reader: PageRead(read_page(reader, query)))

    def ask(self, query: TreeQuery) -> None:
        """Show what ``query`` finds."""
        self.search = query
        self.query_one("#filters", LinesBar).update()
        self.reload()

    def on_page_read(self, message: PageRead) -> None:
        if message.page.query != self.search:
            return
        self.caught_up(message.page.version)
        turned = self.page is None or self.page.query != message.page.query
        self.page = message.page
        self.search = replace(self.search, page=min(self.search.page, message.page.pages - 1))
        self.page = replace(message.page, query=self.search)
        self._fill(from_top=turned)

    def _fill(self, *, from_top: bool) -> None:
        table = self.query_one("#trees", RowTable)
        if self.page is not None:
            table.fill([_row(tree, _widths(self.size.width)) for tree in self.page.trees])
            if from_top:
                table.move_cursor(row=self._first_row())
        self.query_one("#filters", LinesBar).update()

    def _first_row(self) -> int:
        """The row of a page where the cursor begins: the tree that the screen was opened at, or the first."""
        trees = [] if self.page is None else [tree.id for tree in self.page.trees]
        wanted, self._begin_at = self._begin_at, None
        return trees.index(wanted) if wanted in trees else 0

    def _set_columns(self) -> None:
        columns = [
            Column(key, _TITLES.get(key, key), width) for key, width in _widths(self.size.width).items()
        ]
        self.query_one("#trees", RowTable).set_columns(columns)
        self._fill(from_top=False)

    def _status(self, width: int) -> Sequence[Line]:
        query, page = self.search, self.page
        solved = {None: "all", True: "solved", False: "unsolved"}[query.solved]
        order = f"{_TITLES.get(query.order_by, query.order_by)} {'↓' if query.descending else '↑'}"
        phase = line((" · phase ", "dim"), (label(query.phase, 20), "bold")) if query.phase else ()
        filters = line(
            (solved, "bold"),
            *phase,
            (" · method ", "dim"),
            (label(query.method or "all", 20), "bold"),
            (" · iteration ", "dim"),
            ("all" if query.iteration is None else str(query.iteration), "bold"),
            (" · by ", "dim"),
            (order, "bold"),
        )
        return [(*line(_place(page)), *line((" · ", "dim")), *filters)]

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self.search.text:
            self.ask(replace(self.search, text=event.value, page=0))

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        self.action_open()

    def on_data_table_header_selected(self, event: RowTable.HeaderSelected) -> None:
        name = event.column_key.value
        if name == self.search.order_by:
            self.action_reverse()
        elif name is not None and name != "oracle":
            self.ask(replace(self.search, order_by=name, descending=False, page=0))

    def action_open(self) -> None:
        tree = self.query_one("#trees", RowTable).chosen
        if tree is not None:
            siblings = tuple(row.id for row in self.page.trees) if self.page else ()
            self.open(ReplayPlace(self.run_name, tree, siblings))

    def taken(self) -> Taken | None:
        chosen = self.query_one("#trees", RowTable).chosen
        tree = next((tree for tree in self.page.trees if tree.id == chosen), None) if self.page else None
        if tree is None:
            return None
        place = f"{self.run_name}/{tree.id}"
        shown = command("restmcts", "show", place, "--root", str(self.reader.root))
        return Taken("the command", shown, f"{safe_text(tree.question)}\n\n{shown}\n")

    def action_filter_text(self) -> None:
        self.query_one("#text", FilterInput).focus()

    def action_cycle_solved(self) -> None:
        self.ask(replace(self.search, solved=_next((None, True, False), self.search.solved), page=0))

    def action_cycle_method(self) -> None:
        methods = (None, *(self.page.methods if self.page else ()))
        self.ask(replace(self.search, method=_next(methods, self.search.method), page=0))

    def action_cycle_iteration(self) -> None:
        iterations = (None, *(self.page.iterations if self.page else ()))
        self.ask(replace(self.search, iteration=_next(iterations, self.search.iteration), page=0))

    def action_clear(self) -> None:
        self.query_one("#text", FilterInput).value = ""
        self.ask(TreeQuery(self.run_name, order_by=self.search.order_by, descending=self.search.descending))

    def action_sort(self) -> None:
        names = [name for name in _COLUMNS if name != "oracle"]
        self.ask(replace(self.search, order_by=_next(names, self.search.order_by), page=0))

    def action_reverse(self) -> None:
        self.ask(replace(self.search, descending=not self.search.descending, page=0))

    def on_list_table_past_end(self, event: ListTable.PastEnd) -> None:
        self.action_turn(event.pages)

    def action_turn(self, pages: int) -> None:
        last = self.page.pages - 1 if self.page else 0
        page = min(max(self.search.page + pages, 0), last)
        if page != self.search.page:
            self.ask(replace(self.search, page=page))


def _page_of(tree: str | None) -> int:
    """The page on which a tree of a phase is listed where numbers have no gaps; 0 for None."""
    return 0 if tree is None else int(tree.rpartition("/")[2]) // PAGE


def _next(choices: Sequence[_Choice], current: _Choice) -> _Choice:
    """The choice after ``current``, the first after the last or when ``current`` is none of them."""
    place = choices.index(current) + 1 if current in choices else 0
    return choices[place % len(choices)]


def _place(page: TreePage | None) -> str:
    if page is None:
        return "reading …"
    if not page.total:
        return "no trees" if page.query == TreeQuery(page.query.run) else "no trees (x clears the filters)"
    first = page.query.page * PAGE + 1
    return f"{first:,} to {first + len(page.trees) - 1:,} of {page.total:,}"


def _widths(width: int) -> dict[str, int]:
    """The widths of the columns in a terminal of ``width`` cells."""
    # One cell of padding on each side of each column, and the scroll bar.
    spare = max(width - sum(_COLUMNS.values()) - 2 * len(_COLUMNS) - 2, 0)
    return {name: least + int(spare * _GROWING.get(name, 0)) for name, least in _COLUMNS.items()}


def _row(tree: TreeSummary, widths: dict[str, int]) -> Row:
    style: Style = "dim" if tree.correct is None else "good" if tree.correct else "bad"
    cells: dict[str, Text] = {
        "number": right(f"{tree.number}"),
        "phase": cell(tree.phase, widths["phase"]),
        "problem": cell(f"{tree.problem}  {tree.question[:400]}", widths["problem"]),
        "method": cell(tree.method, widths["method"]),
        "answer": cell(tree.answer, widths["answer"]),
        "oracle": cell(tree.oracle, widths["oracle"]),
        "correct": right(verdict(tree.correct), style),
        "nodes": right(count(tree.nodes)),
        "policy_tokens": right(count(tree.policy_tokens)),
    }
    return tree.id, tuple(cells.values())
