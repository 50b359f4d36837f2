"""A table of rows that can be filled again without losing its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable

from tui.look import rich_style
from tui.text import label

if TYPE_CHECKING:
    from tui.styled import Style

Row = tuple[str, Sequence[Text]]
"""The key of a row, unique in its table, and its cells."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``width`` in cells, or None to fit what it holds."""

    key: str
    title: str
    width: int | None = None


def cell(text: str | None, width: int = 60, style: Style = "", value: float = 0.0) -> Text:
    """A cell with untrusted text on one line of at most ``width`` cells."""
    return Text(label(text, width), style=rich_style(style, value), no_wrap=True, end="")


def right(text: str, style: Style = "", value: float = 0.0) -> Text:
    """A cell with a number, against the right edge."""
    return Text(text, style=rich_style(style, value), justify="right", no_wrap=True, end="")


class RowTable(DataTable[Text], inherit_bindings=False):
    """A :class:`DataTable` with a cursor over whole rows that survives being filled again.

    Widths are set before rows are added: the table's own measuring comes after its first drawing, which
    then stays cut.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", "Up", show=False, id="table.up"),
        Binding("down,j", "cursor_down", "Down", show=False, id="table.down"),
        Binding("left", "scroll_left", "Show what is at the left", show=False, id="table.left"),
        Binding("right", "scroll_right", "Show what is at the right", show=False, id="table.right"),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False, id="table.page-up"),
        Binding("pagedown,ctrl+d", "page_down", "Page down", show=False, id="table.page-down"),
        Binding("home,g", "scroll_top", "First row", show=False, id="table.first"),
        Binding("end,G", "scroll_bottom", "Last row", show=False, id="table.last"),
    ]

    def __init__(self, name: str) -> None:
        # Colours say something on the chosen row too; those of the look are readable there.
        super().__init__(id=name, cursor_type="row", cell_padding=1, cursor_foreground_priority="renderable")
        self._wanted: Sequence[Column] = ()
        self._layout: list[tuple[str, int]] = []
        self._keys: list[str] = []
        self._filled: list[Sequence[Text]] = []

    @property
    def chosen(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    def choose(self, key: str) -> None:
        """Put the cursor on the row of this key, if there is one."""
        if key in self._keys:
            self.move_cursor(row=self._keys.index(key))

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Use these columns from now on, for the rows that there are too."""
        self._wanted = columns
        self.fill(
            [] if len(columns) != len(self._layout) else list(zip(self._keys, self._filled, strict=True))
        )

    def show(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show ``rows`` in ``columns``, which are used from now on."""
        self._wanted = columns
        self.fill(rows)

    def fill(self, rows: Sequence[Row]) -> None:
        """Show ``rows``: the cursor stays on its row, or on its place when the row is gone."""
        keys, cells = [key for key, _ in rows], [row for _, row in rows]
        layout = [(column.key, _width(column, place, cells)) for place, column in enumerate(self._wanted)]
        if layout == self._layout and keys == self._keys:
            self._replace_cells(cells)
        else:
            self._replace_rows(keys, cells, layout)

    def _replace_cells(self, rows: list[Sequence[Text]]) -> None:
        for place, (old, new) in enumerate(zip(self._filled, rows, strict=True)):
            for column, (before, after) in enumerate(zip(old, new, strict=True)):
                if before != after or before.style != after.style:
                    self.update_cell_at(Coordinate(place, column), after)
        self._filled = rows

    def _replace_rows(
        self, keys: list[str], rows: list[Sequence[Text]], layout: list[tuple[str, int]]
    ) -> None:
        chosen, place, scroll = self.chosen, self.cursor_row, self.scroll_offset
        self.clear(columns=True)
        self._keys, self._filled, self._layout = keys, rows, layout
        for column, (_, width) in zip(self._wanted, layout, strict=True):
            self.add_column(cell(column.title, width), key=column.key, width=width)
        for key, cells in zip(keys, rows, strict=True):
            self.add_row(*cells, key=key)
        if keys:
            stays = chosen is not None and chosen in keys
            self.move_cursor(
                row=keys.index(chosen or "") if stays else min(place, len(keys) - 1), scroll=False
            )
        self.scroll_to(scroll.x, scroll.y, animate=False)


class ListTable(RowTable):
    """The table that a screen is about: enter opens the row under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open", id="table.open")]

    @dataclass
    class PastEnd(Message):
        """A page further was asked for at the last row (``pages`` 1), or a page back at the first (-1)."""

        pages: int

    def action_page_down(self) -> None:
        if self.cursor_row >= self.row_count - 1:
            self.post_message(self.PastEnd(1))
        super().action_page_down()

    def action_page_up(self) -> None:
        if self.cursor_row <= 0:
            self.post_message(self.PastEnd(-1))
        super().action_page_up()


def _width(column: Column, place: int, rows: list[Sequence[Text]]) -> int:
    if column.width is not None:
        return column.width
    return max([len(column.title), *(row[place].cell_len for row in rows)])
