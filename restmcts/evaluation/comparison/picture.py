"""Accuracy of arms as a picture: against iterations, and against the tokens of their training data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restmcts.errors import InputError
from restmcts.evaluation.comparison.differences import Accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".svg", ".png")

PLAIN: Any = {
    "text.usetex": False,
    "text.parse_math": False,
    "svg.hashsalt": "restmcts",
    "svg.fonttype": "path",
}
"""Names of runs are text, whatever they hold; equal figures give equal files."""

LONGEST_NAME = 80
"""Characters of a name that are drawn."""

_PANEL = (5.2, 3.4)
"""Width and height of a panel, in inches."""

_LEGEND_LINE = 0.2
"""Height of a line of the legend, in inches."""


def check_ending(path: Path) -> None:
    """Refuse a name for a picture that is of no known kind.

    Raises:
        InputError: it ends in neither ``.svg`` nor ``.png``.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path}: a picture ends in {' or '.join(ENDINGS)}")


def picture(rows: Sequence[Accuracy], kind: str) -> bytes:
    """The picture of the accuracies that were measured after iterations.

    A row of panels for each method: on the left against iterations, on the right against the tokens that were
    generated for training data so far. The bands are 95 % intervals.

    Args:
        rows: the accuracies.
        kind: ``svg`` or ``png``.

    Raises:
        InputError: nothing was measured after an iteration.
    """
    from io import BytesIO

    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    drawn = [row for row in rows if not row.point.closing]
    methods = list(dict.fromkeys(row.point.how for row in drawn))
    if not methods:
        raise InputError("nothing was measured after an iteration: there is nothing to draw")
    with mpl.rc_context(PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for a letter that no font has
        arms = list(dict.fromkeys(row.arm for row in drawn))
        colors = {arm: f"C{number % 10}" for number, arm in enumerate(arms)}
        height = len(methods) * _PANEL[1] + len(arms) * _LEGEND_LINE
        figure = Figure(figsize=(2 * _PANEL[0], height), layout="constrained")
        FigureCanvasAgg(figure)  # draws without a screen
        panels = figure.subplots(len(methods), 2, squeeze=False)
        for (left, right), method in zip(panels, methods, strict=True):
            of_method = [row for row in drawn if row.point.how == method]
            iterations = [float(row.point.iteration) for row in of_method]
            _draw(left, of_method, colors, "iteration", iterations)
            left.set_xticks(sorted(set(iterations)))
            tokens = [row.data_tokens for row in of_method]
            _draw(right, of_method, colors, "tokens generated for training data", tokens)
            left.set_title(shown_name(method))
        lines = [Line2D([], [], color=color, marker="o") for color in colors.values()]
        figure.legend(lines, list(map(shown_name, colors)), loc="outside lower center", fontsize="small")
        output = BytesIO()
        figure.savefig(output, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return output.getvalue()


def _draw(
    axes: Axes, rows: Sequence[Accuracy], colors: Mapping[str, str], label: str, places: Sequence[float]
) -> None:
    for arm in dict.fromkeys(row.arm for row in rows):
        points = sorted(
            (place, 100 * row.accuracy.value, 100 * row.accuracy.low, 100 * row.accuracy.high)
            for place, row in zip(places, rows, strict=True)
            if row.arm == arm
        )
        x, value, low, high = zip(*points, strict=True)
        axes.plot(x, value, marker="o", color=colors[arm])
        axes.fill_between(x, low, high, color=colors[arm], alpha=0.15, linewidth=0)
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")


def shown_name(name: str) -> str:
    """A name in one line of bounded length, without control characters."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in short)
