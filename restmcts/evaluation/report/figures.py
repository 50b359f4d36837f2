"""The pictures of a report: SVG with letters as shapes, in colours that follow the page, light or dark."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from restmcts.evaluation.comparison.differences import Accuracy
from restmcts.evaluation.comparison.methods import MethodAccuracy
from restmcts.evaluation.comparison.picture import PLAIN, shown_name
from restmcts.evaluation.report.content import Curve, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6D31", "#7F7F7F")
"""Okabe and Ito's colours, which are told apart by people who see colours differently, but two."""

MARKERS = "osD^vPX*"
STYLES = ("-", "--", "-.", ":")
"""Markers and lines change too, so that nothing is told by colour alone."""

PANELS = 6
"""So many iterations at most have a panel of their own: the last ones."""

_INK, _LINES = "#010203", "#030201"
"""Stand for the colours of letters and of helping lines until the page says which."""

_THEME = (
    "<style>:root{--ink:#1f2328;--lines:#d0d7de}"
    "@media (prefers-color-scheme: dark){:root{--ink:#e6edf3;--lines:#3d444d}}"
    "@media print{:root{--ink:#000;--lines:#ccc}}</style>"
)

_PANEL = (5.0, 3.5)
"""Width and height of a panel, in inches."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with a heading, and with words for who cannot see it."""

    heading: str
    words: str
    svg: bytes


def pictures(report: Report) -> dict[str, list[Picture]]:
    """The pictures of each section of a report that has something to draw."""
    found: dict[str, list[Picture]] = {"methods": [], "iterations": [], "calibration": []}
    points = _budget_groups(report.methods.accuracies)
    if points:
        found["methods"].append(
            Picture(
                "Accuracy against tokens",
                _method_words(report),
                _drawn(lambda figure: _methods(figure, points), 2 * len(points), _names(points)),
            )
        )
    arms = [row for row in report.arms.accuracies if not row.point.closing]
    if len({row.point.iteration for row in arms}) > 1:
        groups = [[row for row in arms if row.point.how == how] for how in dict.fromkeys(_how(arms))]
        names = list(dict.fromkeys(row.arm for row in arms))
        found["iterations"].append(
            Picture(
                "Accuracy by iteration",
                f"Accuracy of {len(names)} arms after each iteration; the table below has the figures.",
                _drawn(lambda figure: _iterations(figure, groups[:PANELS]), 2 * len(groups[:PANELS]), names),
            )
        )
    if report.curves:
        drawn = report.curves[: 2 * PANELS]
        words = "; ".join(f"{c.kind} {c.name}: error {c.calibration.error.value:.3f}" for c in drawn)
        found["calibration"].append(
            Picture("Calibration", words, _drawn(lambda figure: _curves(figure, drawn), len(drawn), []))
        )
    return {section: drawn for section, drawn in found.items() if drawn}


def _method_words(report: Report) -> str:
    told = [f"{one.point.text}: {one.name} {one.accuracy}" for one in report.leaders]
    return (
        "Most accurate " + "; ".join(told) if told else "Accuracy of methods by tokens; see the table below."
    )


def _how(rows: Sequence[Accuracy]) -> list[str]:
    return [row.point.how for row in rows]


def _drawn(draw: Callable[[Figure], dict[str, Any]], panels: int, names: Sequence[str]) -> bytes:
    """An SVG of rows of two panels, with a legend of ``names`` below."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(PLAIN | _ink()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for a letter that no font has
        rows = -(-panels // 2)
        legend = 0.22 * -(-len(names) // 2) + 0.1 if names else 0.0
        figure = Figure(figsize=(2 * _PANEL[0], rows * _PANEL[1] + legend), layout="constrained")
        FigureCanvasSVG(figure)
        handles = draw(figure)
        if names:
            figure.legend(
                [handles[name] for name in names],
                list(map(shown_name, names)),
                loc="outside lower center",
                ncols=2,
                frameon=False,
                fontsize="small",
            )
        output = BytesIO()
        figure.savefig(output, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(output.getvalue())


def _ink() -> dict[str, Any]:
    lines = dict.fromkeys(("grid.color", "axes.edgecolor"), _LINES)
    letters = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor"), _INK
    )
    ticks = dict.fromkeys(("xtick.color", "ytick.color"), _LINES)
    return {
        **lines,
        **ticks,
        **letters,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "grid.linewidth": 0.6,
    }


def _themed(svg: bytes) -> bytes:
    """The SVG with colours that follow the page."""
    head, tag, rest = svg.partition(b"<defs>")
    body = rest.replace(_INK.encode(), b"var(--ink)").replace(_LINES.encode(), b"var(--lines)")
    return head + _THEME.encode() + tag + body


def _budget_groups(rows: Sequence[MethodAccuracy]) -> list[tuple[str, list[MethodAccuracy]]]:
    """The rows of each evaluation, of the last ones."""
    found = []
    for evaluation in dict.fromkeys(row.point.evaluation for row in rows):
        arm, made, _ = evaluation
        here = [row for row in rows if row.point.evaluation == evaluation]
        asked = " (restmcts eval)" if made == "asked" else ""
        found.append((f"{arm} {here[0].point.when}{asked}".strip(), here))
    return found[-PANELS:]


def _names(groups: Sequence[tuple[str, list[MethodAccuracy]]]) -> list[str]:
    return list(dict.fromkeys(row.method for _, rows in groups for row in rows))


def _methods(figure: Figure, groups: Sequence[tuple[str, list[MethodAccuracy]]]) -> dict[str, Any]:
    """For each evaluation, accuracy against generated tokens, and against all tokens."""
    from matplotlib.ticker import LogLocator, NullFormatter

    handles: dict[str, Any] = {}
    names = _names(groups)
    panels = figure.subplots(len(groups), 2, squeeze=False)
    for row_of_panels, (title, rows) in zip(panels, groups, strict=True):
        for axes, label, spent in (
            (row_of_panels[0], "generated tokens a problem", _generated),
            (row_of_panels[1], "generated tokens and tokens read by the value model", _all_tokens),
        ):
            for number, name in enumerate(names):
                points = sorted({_place(one, max(spent(one), 1.0)) for one in rows if one.method == name})
                if points:
                    handles[name] = _line(axes, points, number, faint=len(names) > 5)
            axes.set_xscale("log")
            _leave_out_far_below(axes, [100 * one.accuracy.value for one in rows])
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(_plain_number)
            axes.xaxis.set_minor_formatter(NullFormatter())
            _labelled(axes, label)
        row_of_panels[0].set_title(shown_name(title), loc="left")
    return handles


def _plain_number(value: float, _: object) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:,.0f}"


def _generated(row: MethodAccuracy) -> float:
    return row.policy_tokens


def _all_tokens(row: MethodAccuracy) -> float:
    return row.policy_tokens + row.value_tokens


def _place(row: MethodAccuracy | Accuracy, x: float) -> tuple[float, float, float, float]:
    found = row.accuracy
    return x, 100 * found.value, 100 * found.low, 100 * found.high


def _leave_out_far_below(axes: Axes, values: Sequence[float]) -> None:
    """Keep a few methods far below the others from pressing these together; lines lead to them."""
    lower, middle = np.quantile(values, [0.25, 0.5])
    bottom = max(0.0, float(lower) - max(15.0, 2 * float(middle - lower)))
    if min(values) < bottom - 10:
        axes.set_ylim(bottom=bottom)
        axes.annotate(
            f"points below {bottom:.0f} % are in the table",
            (0.99, 0.02),
            xycoords="axes fraction",
            ha="right",
            fontsize="x-small",
        )


def _line(
    axes: Axes, points: Sequence[tuple[float, float, float, float]], number: int, *, faint: bool = False
) -> Any:
    """A line with its band; a single point with its bar."""
    x, value, low, high = (list(column) for column in zip(*points, strict=True))
    color = COLORS[number % len(COLORS)]
    if len(points) == 1:
        axes.errorbar(
            x, value, [[value[0] - low[0]], [high[0] - value[0]]], color=color, capsize=3, linewidth=1
        )
    else:
        axes.fill_between(x, low, high, color=color, alpha=0.04 if faint else 0.12, linewidth=0)
    (line,) = axes.plot(
        x,
        value,
        color=color,
        marker=MARKERS[(number + number // len(COLORS)) % len(MARKERS)],
        markersize=5,
        linestyle=STYLES[number // len(COLORS) % len(STYLES)],
    )
    return line


def _labelled(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")


def _iterations(figure: Figure, groups: Sequence[list[Accuracy]]) -> dict[str, Any]:
    """For each method, accuracy by iteration, and against the tokens of the training data."""
    handles: dict[str, Any] = {}
    names = list(dict.fromkeys(row.arm for rows in groups for row in rows))
    faint = len(names) > 5
    for (left, right), rows in zip(figure.subplots(len(groups), 2, squeeze=False), groups, strict=True):
        for number, name in enumerate(names):
            of_arm = [row for row in rows if row.arm == name]
            if of_arm:
                places = [_place(one, one.point.iteration) for one in of_arm]
                handles[name] = _line(left, places, number, faint=faint)
                _line(right, sorted(_place(one, one.data_tokens) for one in of_arm), number, faint=faint)
        left.set_xticks(sorted({row.point.iteration for row in rows}))
        _labelled(left, "iteration")
        right.xaxis.set_major_formatter(_plain_number)
        _labelled(right, "tokens generated for training data")
        left.set_title(shown_name(rows[0].point.how), loc="left")
    return handles


def _curves(figure: Figure, found: Sequence[Curve]) -> dict[str, Any]:
    """Reliability diagrams: how often steps of each bin are right; the area of a point is its share."""
    panels = figure.subplots(-(-len(found) // 2), 2, squeeze=False).flat
    for axes, curve in zip(panels, found, strict=False):
        bins = curve.calibration.bins
        axes.plot([0, 1], [0, 1], color=_LINES, linewidth=1, linestyle="--")
        sizes = [15 + 250 * one.count / curve.pairs for one in bins]
        axes.plot([b.predicted for b in bins], [b.label for b in bins], color=COLORS[0], linewidth=1)
        axes.scatter([b.predicted for b in bins], [b.label for b in bins], sizes, color=COLORS[0], alpha=0.8)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel(f"{curve.kind} (error {curve.calibration.error.value:.3f})")
        axes.set_ylabel("share that is right")
        axes.set_title(shown_name(curve.name), loc="left")
    for axes in list(figure.axes)[len(found) :]:
        axes.set_visible(False)
    return {}
