"""The parts of a report in the order in which people read them; pages and Markdown are made from them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from restmcts.evaluation.comparison.tables import Table
from restmcts.evaluation.report.content import Leader, Report, RunLine
from restmcts.evaluation.report.figures import Picture
from restmcts.evaluation.report.searches import Ended
from restmcts.evaluation.verdicts import Verdict

TITLES = {
    "methods": "Methods at equal budgets",
    "iterations": "Iterations",
    "calibration": "Calibration",
    "cost": "Cost",
    "failures": "How searches ended",
    "settings": "Settings",
    "runs": "Runs",
}
"""The sections that have tables."""

BEFORE_VERDICTS = ("methods", "iterations")
"""The sections that come before the verdicts on what they show."""

EXPLAINED = {
    "methods": (
        "All methods of an evaluation answer the same problems. A band is the 95 % interval of the accuracy"
        " of one method; whether two methods differ is told by the verdicts on pairs, not by bands that"
        " overlap. The panels on the right also count what the value model read."
    ),
    "iterations": "Accuracy on held-out problems after each iteration, with 95 % intervals.",
    "calibration": (
        "Of all solutions that are given a chance of .8 to be right, 80 % should be: points on the dashed"
        " line. The error is the mean distance from it. Searched solutions are no random sample of the"
        " policy's."
    ),
    "cost": "Tokens that were generated, read by the value model, or trained on, and seconds of wall time.",
    "failures": "Each search counts once, by the answer of its own rule.",
}
"""What a section shows, in words."""


FEW_PAIRS = 6
"""So many verdicts are read one by one; more have a table."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with pictures and tables below; ``name`` is its anchor on the page."""

    name: str
    title: str
    explained: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """A search to look at, and the commands that show it and replay it."""

    search: Ended
    show: str
    replay: str


@dataclass(frozen=True, slots=True)
class Group:
    """Problems that have something in common."""

    title: str
    meaning: str
    total: int
    replays: tuple[Replay, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Verdicts under a heading: those that show something, and those that do not.

    ``matrix`` has all of them where there are many.
    """

    title: str
    shown: tuple[str, ...]
    open: tuple[str, ...]
    matrix: Table | None = None


def sections(report: Report, pictures: dict[str, list[Picture]]) -> list[Section]:
    """The sections that have something to show."""
    tables = report.tables()
    return [
        Section(
            name, title, EXPLAINED.get(name, ""), tuple(pictures.get(name, ())), tuple(tables.get(name, ()))
        )
        for name, title in TITLES.items()
        if pictures.get(name) or tables.get(name)
    ]


def findings(report: Report) -> list[Findings]:
    """The verdicts on arms after their last iterations, on iterations, and on methods at each budget."""
    found = [_findings(f"Arms {point}", rows) for point, rows in _by_point(report.arms.latest).items()]
    found.append(_findings("From the first iteration to the last", report.arms.progress))
    for point, rows in _by_point(report.methods.verdicts).items():
        found.append(_findings(f"Methods {point}", rows))
    return [each for each in found if each.shown or each.open]


def _by_point(rows: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for row in rows:
        found.setdefault(row.point.text, []).append(row)
    return found


def headline(report: Report) -> list[str]:
    """What the report shows in a few sentences."""
    if len(report.arms.arms) == 1:
        told = [row.verdict for row in report.arms.progress]
    elif len(report.arms.latest) <= FEW_PAIRS:
        told = [row.verdict for row in report.arms.latest]
    else:
        told = list(map(_leader, report.arm_leaders))
    return told + list(map(_leader, report.leaders))


def _leader(one: Leader) -> str:
    others = f"{one.leads} of {one.others} other{'' if one.others == 1 else 's'}"
    return f"{one.name} is the most accurate {one.point.text} ({one.accuracy}), and shown to lead {others}"


def groups(report: Report) -> list[Group]:
    """The groups of problems, each search with its commands."""
    places = dict(enumerate(report.runs))
    return [
        Group(
            group.title,
            group.meaning,
            group.total,
            tuple(_replay(one, places[one.number]) for one in group.shown),
        )
        for group in report.groups
    ]


def family(report: Report) -> str:
    """How many comparisons were made, and what that does to their p-values."""
    counts = {
        "arms": len(report.arms.verdicts),
        "iterations": len(report.arms.progress),
        "methods": len(report.methods.verdicts),
    }
    parts = [f"{_pairs(count)} of {what}" for what, count in counts.items() if count]
    if not parts:
        return ""
    return (
        f"Compared were {', '.join(parts)}; the p-values of each kind are corrected for their number by"
        " Holm's procedure, and a lead is claimed only where the corrected p is below .05 and the interval"
        " leaves 0 out. Intervals of differences are those of each comparison alone: bootstrap over problems,"
        " for several seeds over seeds and problems."
    )


def _findings(title: str, rows: Sequence[Verdict]) -> Findings:
    return Findings(
        title,
        tuple(row.verdict for row in rows if row.shown or row.equal),
        tuple(row.verdict for row in rows if not (row.shown or row.equal)),
        _matrix(rows) if len(rows) > FEW_PAIRS and len({row.point for row in rows}) == 1 else None,
    )


def _matrix(rows: Sequence[Verdict]) -> Table:
    """The difference of each row to each column in points."""
    names = list(dict.fromkeys(name for row in rows for name in (row.first, row.second)))
    cells: dict[tuple[str, str], str] = {}
    for row in rows:
        mark = "*" if row.shown else "=" if row.equal else ""
        value = 100 * row.interval.value
        cells[row.first, row.second] = f"{value + 0:+.1f}{mark}"
        cells[row.second, row.first] = f"{-value + 0:+.1f}{mark}"
    return Table(
        "row minus column, in points: * a lead that is shown, = equal within the margin",
        ("", *(str(number) for number in range(1, len(names) + 1))),
        [
            [f"{number} {name}", *(cells.get((name, other), "") for other in names)]
            for number, name in enumerate(names, start=1)
        ],
    )


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"


def _replay(one: Ended, run: RunLine) -> Replay:
    root = f"--root {shlex.quote(run.root)}"
    return Replay(
        one,
        f"restmcts show {shlex.quote(f'{run.run}/{one.tree}')} {root}",
        f"restmcts tui {shlex.quote(f'{run.run}/{one.tree}')} {root}",
    )
