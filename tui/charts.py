"""Curves in a terminal: what to draw, and drawing it in a given number of cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.color import Color

from tui.look import readable
from tui.text import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Colour = tuple[int, int, int]

POINTS = 400
"""Points of a curve that are drawn; of longer ones, neighbours are averaged."""

LEAST = (20, 5)
"""Cells and rows below which nothing can be drawn."""

_THEME = ("primary", "success", "warning", "accent", "error", "secondary")
"""The colours of the theme that curves take, in this order."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points joined by lines.

    ``mark`` is a letter at every point. ``bounds`` are the ends of an interval around each point, or none.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    mark: str = ""
    bounds: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over one axis.

    ``ticks`` are the places on the horizontal axis that are named; none: they are chosen. ``log``: the
    vertical axis is logarithmic, and what is not positive is left out.
    """

    title: str
    curves: tuple[Curve, ...]
    ticks: tuple[float, ...] = ()
    log: bool = False


def load() -> None:
    """Load the library that draws, which takes a moment; for a thread that nobody waits for."""
    import textual_plotext  # noqa: F401


def colours(variables: Mapping[str, str], *, colourless: bool = False) -> list[Colour]:
    """The colours of curves that can be read in a theme; none where the terminal chooses its colours.

    ``colourless``: only that of text. Greys made of colours would be harder to read.
    """
    background = variables["background"]
    if background.startswith("ansi"):
        return []
    on, names = [Color.parse(background)], ("foreground",) if colourless else _THEME
    return [readable(Color.parse(variables[name]), on).rgb for name in names]


def averaged(xs: Sequence[float], ys: Sequence[float], most: int = POINTS) -> Curve:
    """A curve of at most ``most`` points, each the mean of the neighbours that it stands for."""
    known = [(x, y) for x, y in zip(xs, ys, strict=True) if isfinite(x) and isfinite(y)]
    groups = min(most, len(known))
    ends = [round(place * len(known) / groups) for place in range(groups + 1)] if groups else []
    parts = [known[start:end] for start, end in pairwise(ends)]
    return Curve(
        tuple(sum(x for x, _ in part) / len(part) for part in parts),
        tuple(sum(y for _, y in part) / len(part) for part in parts),
    )


def drawn(chart: Chart | None, width: int, height: int, palette: Sequence[Colour]) -> Text:
    """A chart in ``width`` cells and ``height`` rows."""
    if width < LEAST[0] or height < LEAST[1]:
        return Text("")
    curves = [] if chart is None else [_drawable(curve, log=chart.log) for curve in chart.curves]
    curves = [curve for curve in curves if curve.xs]
    if chart is None or not curves:
        title = "" if chart is None else f"{label(chart.title, width)}\n\n"
        return Text(f"{title}nothing measured yet", no_wrap=True)
    return Text.from_ansi(_plot(chart, curves, width, height, palette), no_wrap=True)


def _drawable(curve: Curve, *, log: bool) -> Curve:
    kept = [at for at, y in enumerate(curve.ys) if not log or y > 0]
    bounds = tuple(curve.bounds[at] for at in kept) if curve.bounds and not log else ()
    return Curve(tuple(curve.xs[at] for at in kept), tuple(curve.ys[at] for at in kept), curve.mark, bounds)


def _plot(chart: Chart, curves: Sequence[Curve], width: int, height: int, palette: Sequence[Colour]) -> str:
    from textual_plotext.plot import Plot

    plot: Any = Plot()
    # Otherwise a chart is no larger than the terminal of the process: 80x24 where a browser is the terminal.
    plot._limit_size(False, False)
    plot.plotsize(width, height)
    for part in ("canvas", "axes", "ticks"):
        getattr(plot, f"{part}_color")("default")
    plot.title(label(chart.title, width - 2))
    if chart.log:
        plot.yscale("log")
    if chart.ticks:
        plot.xticks(list(chart.ticks), [f"{tick:g}" for tick in chart.ticks])
    looks = [_look(palette, place) for place in range(len(curves))]
    # What is drawn later hides what was there: letters come last, those of the first curve at the very end.
    for draw in (_bounds, _lines, _letters):
        for curve, look in reversed(list(zip(curves, looks, strict=True))):
            draw(plot, curve, look)
    return str(plot.build())


def _look(palette: Sequence[Colour], place: int) -> dict[str, Colour]:
    return {"color": palette[place % len(palette)]} if palette else {}


def _bounds(plot: Any, curve: Curve, look: dict[str, Colour]) -> None:
    if curve.bounds:
        middles = [(low + high) / 2 for low, high in curve.bounds]
        plot.error(list(curve.xs), middles, yerr=[high - low for low, high in curve.bounds], **look)


def _lines(plot: Any, curve: Curve, look: dict[str, Colour]) -> None:
    if len(curve.xs) > 1:
        plot.plot(list(curve.xs), list(curve.ys), marker="braille", **look)


def _letters(plot: Any, curve: Curve, look: dict[str, Colour]) -> None:
    if curve.mark or len(curve.xs) == 1:
        plot.scatter(list(curve.xs), list(curve.ys), marker=curve.mark or "•", **look)
