"""A table of rows that can be filled again without losing its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from tui.text import label
from tui.widgets.lines import rich_style

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


class RowTable(DataTable[Text]):
    """A :class:`DataTable` with a cursor over whole rows that survives being filled again.

    Widths are set before rows are added: the table's own measuring comes after its first drawing, which
    then stays cut.
    """

    def __init__(self, name: str) -> None:
        super().__init__(id=name, cursor_type="row", cell_padding=1)
        self._wanted: Sequence[Column] = ()
        self._widths: list[int] = []
        self._keys: list[str] = []
        self._filled: list[Sequence[Text]] = []

    @property
    def chosen(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Use these columns from now on, for the rows that there are too."""
        self._wanted = columns
        self.fill(
            [] if len(columns) != len(self._widths) else list(zip(self._keys, self._filled, strict=True))
        )

    def fill(self, rows: Sequence[Row]) -> None:
        """Show ``rows``: the cursor stays on its row, or on its place when the row is gone."""
        keys, cells = [key for key, _ in rows], [row for _, row in rows]
        widths = [_width(column, place, cells) for place, column in enumerate(self._wanted)]
        if widths == self._widths and keys == self._keys:
            self._replace_cells(cells)
        else:
            self._replace_rows(keys, cells, widths)

    def _replace_cells(self, rows: list[Sequence[Text]]) -> None:
        for place, (old, new) in enumerate(zip(self._filled, rows, strict=True)):
            for column, (before, after) in enumerate(zip(old, new, strict=True)):
                if before != after or before.style != after.style:
                    self.update_cell_at(Coordinate(place, column), after)
        self._filled = rows

    def _replace_rows(self, keys: list[str], rows: list[Sequence[Text]], widths: list[int]) -> None:
        chosen, place, scroll = self.chosen, self.cursor_row, self.scroll_offset
        self.clear(columns=True)
        self._keys, self._filled, self._widths = keys, rows, widths
        for column, width in zip(self._wanted, widths, strict=True):
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


def _width(column: Column, place: int, rows: list[Sequence[Text]]) -> int:
    if column.width is not None:
        return column.width
    return max([len(column.title), *(row[place].cell_len for row in rows)])
