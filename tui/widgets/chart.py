"""A pane with curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from tui.charts import colours, drawn

if TYPE_CHECKING:
    from rich.text import Text

    from tui.charts import Chart


class ChartPane(Widget):
    """Draws one chart in all the room that there is."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.chart: Chart | None = None

    def show(self, chart: Chart | None) -> None:
        """Draw ``chart`` from now on."""
        if chart != self.chart:
            self.chart = chart
            self.refresh()

    def render(self) -> Text:
        palette = colours(self.app.theme_variables, colourless=self.app.no_color)
        return drawn(self.chart, self.size.width, self.size.height, palette)
