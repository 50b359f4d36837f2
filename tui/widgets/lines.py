"""Styled lines on the screen: one shared way to draw them, and a pane that scrolls through many."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
    """``line`` cut or filled to ``width`` cells."""
    segments = [Segment(text, base + rich_style(style, value)) for text, style, value in line]
    return Strip(segments).crop_extend(0, width, base)


def fold_line(line: Line, width: int) -> list[Line]:
    """``line`` in rows of ``width`` cells: a line of one span is wrapped, others stay for the cut."""
    if len(line) != 1:
        return [line]
    text, style, value = line[0]
    return [((row, style, value),) for row in wrap(text, width)]


class RowsView(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows drawn by :meth:`row_strip` when they are in sight."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.base = RichStyle()

    def set_height(self, rows: int) -> None:
        """There are ``rows`` rows now; draw those in sight."""
        # A new virtual size lays out the whole screen, so a view that need not scroll keeps its own.
        width, height = self.scrollable_content_region.size
        self.virtual_size = Size(width, max(rows, height))
        self.refresh()

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
        """Show ``lines`` instead of what is there."""
        self._lines = lines
        self._lay_out()
        if not keep_scroll:
            self.scroll_to(y=0, animate=False)

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        self._rows = [row for line in self._lines for row in fold_line(line, width)]
        self.set_height(len(self._rows))

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
        self._rows: Sequence[Line] = ()

    def update(self) -> None:
        """Ask for the lines again."""
        self._rows = self._lay_out(self.size.width)
        self.refresh()

    def on_resize(self) -> None:
        self.update()

    @property
    def text(self) -> str:
        """What the bar shows, as plain text."""
        return "\n".join("".join(span[0] for span in row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        line = self._rows[y] if y < len(self._rows) else ()
        return to_strip(line, self.size.width, self.rich_style)
