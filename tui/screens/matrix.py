"""Several sides, problem by problem: first those problems on which the sides differ most."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from store.index.sides import side_name
from tui.compare.pages import MatrixPage, read_matrix
from tui.compare.rows import end_of, share_cell
from tui.legend import MATRIX
from tui.messages import MatrixRead
from tui.places import ComparePlace, Place, RunsPlace, SideBySidePlace
from tui.screens.base import MAIN, StoreScreen
from tui.styled import Line, line
from tui.text import label
from tui.trees.pages import PAGE
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import Column, ListTable, Row, RowTable, cell, right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from store.index.reader import StoreReader
    from store.queries import MatrixRow, Side

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The names of the columns; further sides are not shown."""

_PROBLEM, _CELL = 12, 5
_HEADS = 8
"""Rows of the list of sides; it scrolls where there are more."""


class MatrixScreen(StoreScreen):
    """More than two ``sides``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare A and B", tooltip="The first two sides alone", id="matrix.compare"),
    ]
    LEGEND = MATRIX
    AUTO_FOCUS = "#matrix"

    def __init__(self, reader: StoreReader, sides: Sequence[Side]) -> None:
        super().__init__(reader, "compare several")
        self.sides = tuple(sides[: len(LETTERS)])
        self.page: MatrixPage | None = None
        self._turned = 0

    def compose(self) -> ComposeResult:
        yield self.title_bar()
        yield LinesPane("sides")
        yield ListTable("matrix")
        yield LinesBar("place", self._place)
        yield self.keys_bar()

    def on_mount(self) -> None:
        self.query_one("#sides", LinesPane).styles.height = min(len(self.sides), _HEADS)
        self.reload()

    def above(self) -> Place:
        return RunsPlace()

    def on_resize(self, event: events.Resize) -> None:
        sides = [Column(letter, letter, _CELL) for letter in LETTERS[: len(self.sides)]]
        spare = event.size.width - _PROBLEM - (_CELL + 2) * len(sides) - 6
        columns = [
            Column("problem", "problem", _PROBLEM),
            *sides,
            Column("question", "question", max(spare, 16)),
        ]
        self.query_one("#matrix", RowTable).set_columns(columns)
        self._fill()

    def reload(self) -> None:
        sides = self.sides
        self.read(MAIN, lambda reader: MatrixRead(read_matrix(reader, sides)))

    def on_matrix_read(self, message: MatrixRead) -> None:
        self.caught_up(message.page.version)
        self.page, self.sides = message.page, message.page.sides
        self.query_one("#sides", LinesPane).show(self._heads(message.page), keep_scroll=True)
        self._fill()

    def _heads(self, page: MatrixPage) -> list[Line]:
        """A line for each side: its letter, its accuracy on all its problems, and its name."""
        return [
            line(
                (f"{letter}  ", "mark"),
                f"{_accuracy(page.rows, place):>7}  ",
                (label(side_name(side), 200), "bold"),
            )
            for place, (letter, side) in enumerate(zip(LETTERS, page.sides, strict=False))
        ]

    def _fill(self) -> None:
        if self.page is not None:
            first = self._turned * PAGE
            rows = self.page.rows[first : first + PAGE]
            width = max(self.size.width - _PROBLEM - (_CELL + 2) * len(self.sides) - 6, 16)
            self.query_one("#matrix", RowTable).fill(
                [_row(str(first + place), row, width) for place, row in enumerate(rows)]
            )
        self.query_one("#place", LinesBar).update()

    def _place(self, width: int) -> Sequence[Line]:
        if self.page is None:
            return [line(("reading …", "dim"))]
        total, first = len(self.page.rows), self._turned * PAGE
        if not total:
            return [line(("no problem has a verdict on any side", "bad"))]
        shown = f"{first + 1:,} to {min(first + PAGE, total):,} of {total:,} problems"
        return [line(shown, ("  those first on which the sides differ most", "dim"))]

    def on_list_table_past_end(self, event: ListTable.PastEnd) -> None:
        last = 0 if self.page is None else max(len(self.page.rows) - 1, 0) // PAGE
        turned = min(max(self._turned + event.pages, 0), last)
        if turned != self._turned:
            self._turned = turned
            self._fill()
            self.query_one("#matrix", RowTable).move_cursor(row=0)

    def on_data_table_row_selected(self, event: RowTable.RowSelected) -> None:
        """Open the best and the worst search of the problem beside each other."""
        chosen = self.query_one("#matrix", RowTable).chosen
        if self.page is None or chosen is None:
            return
        row = self.page.rows[int(chosen)]
        known = [(share, place) for place, share in enumerate(row.shares) if share is not None]
        best = max(known, key=lambda one: one[0])[1]
        worst = min((one for one in known if one[1] != best), default=None)
        if worst is None:
            self.notify("only one side has a search of this problem", markup=False, timeout=2)
            return
        tree_a, tree_b = row.trees[best], row.trees[worst[1]]
        assert tree_a is not None and tree_b is not None
        self.open(SideBySidePlace(self.sides[best].run, tree_a, self.sides[worst[1]].run, tree_b))

    def action_compare(self) -> None:
        self.open(ComparePlace(self.sides[0], self.sides[1]))


def _accuracy(rows: Sequence[MatrixRow], place: int) -> str:
    shares = [share for row in rows if (share := row.shares[place]) is not None]
    return f"{100 * sum(shares) / len(shares):.1f} %" if shares else "-"


def _row(key: str, row: MatrixRow, width: int) -> Row:
    marks = [right(*share_cell(share)) for share in row.shares]
    return key, (
        cell(end_of(row.problem, _PROBLEM), _PROBLEM, "dim"),
        *marks,
        cell(row.question[:1000], width),
    )
