"""Accuracy of arms as a picture: against iterations, and against the tokens of their training data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restmcts.errors import InputError
from restmcts.evaluation.comparison.differences import Accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDINGS = (".svg", ".png")

_PLAIN: Any = {
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

    drawn = [row for row in rows if not row.point.closing]
    methods = list(dict.fromkeys(row.point.how for row in drawn))
    if not methods:
        raise InputError("nothing was measured after an iteration: there is nothing to draw")
    with mpl.rc_context(_PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for a letter that no font has
        figure = Figure(figsize=(2 * _PANEL[0], len(methods) * _PANEL[1]), layout="constrained")
        FigureCanvasAgg(figure)  # draws without a screen
        panels = figure.subplots(len(methods), 2, squeeze=False)
        for (left, right), method in zip(panels, methods, strict=True):
            of_method = [row for row in drawn if row.point.how == method]
            _draw(left, of_method, "iteration", [float(row.point.iteration) for row in of_method])
            left.set_xticks(sorted({row.point.iteration for row in of_method}))
            _draw(
                right, of_method, "tokens generated for training data", [row.data_tokens for row in of_method]
            )
            left.set_title(_shown(method))
        panels[0][0].legend(fontsize="small")
        output = BytesIO()
        figure.savefig(output, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return output.getvalue()


def _draw(axes: Axes, rows: Sequence[Accuracy], label: str, places: Sequence[float]) -> None:
    for arm in dict.fromkeys(row.arm for row in rows):
        points = sorted(
            (place, 100 * row.accuracy.value, 100 * row.accuracy.low, 100 * row.accuracy.high)
            for place, row in zip(places, rows, strict=True)
            if row.arm == arm
        )
        x, value, low, high = zip(*points, strict=True)
        (line,) = axes.plot(x, value, marker="o", label=_shown(arm))
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")


def _shown(name: str) -> str:
    """A name in one line of bounded length, without control characters."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in short)
