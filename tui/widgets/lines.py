"""Styled lines on the screen: one shared way to draw them, and a pane that scrolls through many."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.look import rich_style
from tui.text import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.styled import Line


def to_strip(line: Line, width: int, base: RichStyle) -> Strip:
    """``line`` cut or filled to ``width`` cells; neighbours of one look are one segment, to send less."""
    segments = [Segment(text, base + rich_style(style, value)) for text, style, value in line]
    return Strip(segments).crop_extend(0, width, base).simplify()


def fold_line(line: Line, width: int) -> list[Line]:
    """``line`` in rows of ``width`` cells, broken at spaces where possible; spans keep their styles."""
    if len(line) == 1:
        text, style, value = line[0]
        return [((row, style, value),) for row in wrap(text, width)]
    text = "".join(span[0] for span in line)
    rows: list[Line] = []
    start = 0
    for row in wrap(text, width):
        start = text.index(row, start)  # the space at which a row was broken is in none
        rows.append(_part(line, start, start + len(row)))
        start += len(row)
    return rows


def _part(line: Line, start: int, end: int) -> Line:
    """The characters from ``start`` to ``end`` of a line."""
    parts = []
    for text, style, value in line:
        part = text[max(start, 0) : max(end, 0)]
        if part:
            parts.append((part, style, value))
        start, end = start - len(text), end - len(text)
    return tuple(parts)


def different(old: list[Line], new: list[Line], places: range) -> list[int]:
    """Those of ``places`` where two lists of lines differ; after its end, a list has empty lines."""
    return [place for place in places if old[place : place + 1] != new[place : place + 1]]


def changed_cells(old: list[Line], new: list[Line]) -> tuple[int, int]:
    """From which cell to which two lines differ, each given in a list of at most one."""
    before, after = ([(c, *s[1:]) for line in lines for s in line for c in s[0]] for lines in (old, new))
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    first = cell_len("".join(letter[0] for letter in after[:start]))
    if len(before) != len(after):
        whole = max(cell_len("".join(letter[0] for letter in line)) for line in (before, after))
        return first, whole
    end = next((at for at in range(shorter, start, -1) if before[at - 1] != after[at - 1]), start)
    widest = max(cell_len("".join(letter[0] for letter in line[:end])) for line in (before, after))
    return first, widest


class RowsView(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows drawn by :meth:`row_strip` when they are in sight."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.base = RichStyle()

    def set_height(self, rows: int) -> None:
        """There are ``rows`` rows now; those that look different are the caller's to draw again."""
        width, height = self.scrollable_content_region.size
        size = Size(width, max(rows, height))
        if size != self.virtual_size:
            # Set in the usual way, a new virtual size lays out the whole screen and draws all of it again.
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)

    def refresh_cells(self, place: int, old: list[Line], new: list[Line]) -> None:
        """Draw of the row ``place`` what differs; each line is given in a list of at most one."""
        start, end = changed_cells(old, new)
        width = min(end, self.size.width) - start
        if width > 0:
            self.refresh(Region(start, place - self.scroll_offset.y, width, 1))

    def row_strip(self, place: int, width: int) -> Strip:
        """The row ``place``, which may lie after the last, ``width`` cells wide."""
        raise NotImplementedError

    def render_lines(self, crop: Region) -> list[Strip]:
        # The style is worked out from all ancestors: once for all rows.
        self.base = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        return self.row_strip(y + self.scroll_offset.y, self.size.width)


class LinesPane(RowsView):
    """A scrolling pane of lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, id="pane.up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="pane.down"),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False, id="pane.page-up"),
        Binding("pagedown,ctrl+d", "page_down", "Page down", show=False, id="pane.page-down"),
    ]

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lines: Sequence[Line] = ()
        self._rows: list[Line] = []

    def show(self, lines: Sequence[Line], *, keep_scroll: bool) -> None:
        """Show ``lines`` instead of what is there; only rows that look different are drawn again."""
        self._lines = lines
        self._lay_out()
        if not keep_scroll:
            self.scroll_to(y=0, animate=False)

    def on_resize(self) -> None:
        self._lay_out()
        self.refresh()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        old, self._rows = self._rows, [row for line in self._lines for row in fold_line(line, width)]
        self.set_height(len(self._rows))
        top = self.scroll_offset.y
        for place in different(old, self._rows, range(top, top + self.size.height)):
            self.refresh_cells(place, old[place : place + 1], self._rows[place : place + 1])

    @property
    def room(self) -> int:
        """The cells of a row."""
        return self.scrollable_content_region.width

    @property
    def text(self) -> str:
        """What the pane holds, as plain text."""
        return "\n".join("".join(span[0] for span in row) for row in self._rows)

    def row_strip(self, place: int, width: int) -> Strip:
        line = self._rows[place] if place < len(self._rows) else ()
        return to_strip(line, width, self.base)


class LinesBar(Widget):
    """A few lines that do not scroll, made anew by ``lay_out`` for the width that there is."""

    def __init__(self, name: str, lay_out: Callable[[int], Sequence[Line]]) -> None:
        super().__init__(id=name)
        self._lay_out = lay_out
        self._rows: list[Line] = []

    def update(self) -> None:
        """Ask for the lines again."""
        old, self._rows = self._rows, list(self._lay_out(self.size.width))
        for place in different(old, self._rows, range(self.size.height)):
            start, end = changed_cells(old[place : place + 1], self._rows[place : place + 1])
            if start < min(end, self.size.width):
                self.refresh(Region(start, place, min(end, self.size.width) - start, 1))

    def on_resize(self) -> None:
        self.update()

    @property
    def text(self) -> str:
        """What the bar shows, as plain text."""
        return "\n".join("".join(span[0] for span in row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        line = self._rows[y] if y < len(self._rows) else ()
        return to_strip(line, self.size.width, self.rich_style)
