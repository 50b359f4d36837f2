"""The page of a run in lines: its head, live or not, and the overview."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.paired import wilson
from tui.runs.charts import CONTROL, MARKS, by_budget, by_iteration, judged
from tui.runs.workers import worker_rows
from tui.styled import line
from tui.text import count, label, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.records import Checkpoint, Evaluation, PhaseSummary, Progress, RunSummary
    from tui.runs.page import Differences, RunPage, SamplePage
    from tui.snapshots import RunDetail
    from tui.styled import Line, Style

STATUS: dict[str, Style] = {"running": "mark", "done": "good", "failed": "bad", "stopped": "dim"}

SILENT = 30.0
"""After so many seconds without a sign of life, something is wrong: progress is written every second."""

_BAR = 20
_LEAST_BAR = 8
_BUDGETS_WIDTH = 60
"""The cells of a method with its accuracies at two budgets."""

_MOST_SETTINGS = 12
_KINDS: dict[str, tuple[str, Style]] = {
    "search": ("█", "mark"),
    "train": ("▓", "bad"),
    "evaluate": ("▒", "good"),
    "other": ("░", "dim"),
}
"""How the phases of a kind look in the strip of time."""


def age(time: str, now: datetime) -> str:
    """How long ago a time of the store was: ``12 s ago``, ``3 d ago``; the text itself if it is no time."""
    past = seconds_since(time, now)
    if past is None:
        return label(time, 16)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if past >= size:
            return f"{int(past // size)} {unit} ago"
    return f"{int(max(past, 0))} s ago"


def seconds_since(time: str, now: datetime) -> float | None:
    """Seconds from a time of the store, which is in UTC, until ``now``; None if it is no time."""
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (now - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()


def bar(share: float, width: int) -> str:
    """A share of 1 as a bar of ``width`` cells."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full)


def share_done(progress: Progress) -> float | None:
    """How much of a phase is done, in [0, 1]; None where nobody knows how much there is."""
    return progress.done / progress.total if progress.total else None


def run_line(run: RunSummary, took: float, now: datetime) -> Line:
    """Status, recipe, age and size of a run."""
    return line(
        (run.status, STATUS.get(run.status, "")),
        (" · recipe ", "dim"),
        label(run.recipe, 24),
        (" · ", "dim"),
        seconds(took),
        (" · ", "dim"),
        f"{run.trees:,} searches",
        (" · ", "dim"),
        f"{count(run.policy_tokens)} tokens",
        (" · begun ", "dim"),
        age(run.created, now),
    )


def live_lines(progress: Progress | None, phase: PhaseSummary | None, now: datetime) -> list[Line]:
    """Three lines about the phase that is running: how far, how good, and what the engines do.

    Until it has said how far it is, a line that it has begun; none where nothing is running.
    """
    if progress is None:
        return (
            []
            if phase is None
            else [line((label(phase.name, 24), "bold"), " begun ", age(phase.started, now))]
        )
    return [_how_far(progress), _how_good(progress, phase), _engines(progress, now)]


def _how_far(progress: Progress) -> Line:
    share = share_done(progress)
    done = f"{progress.done:,}" if progress.total is None else f"{progress.done:,} of {progress.total:,}"
    parts: list[str | tuple[str, Style]] = [(label(progress.phase, 24), "bold"), " "]
    if share is not None:
        parts += [(bar(share, _BAR), "mark"), f" {100 * share:.0f} %"]
    parts += [(" · ", "dim"), done]
    if progress.rate is not None:
        parts += [(" · ", "dim"), f"{progress.rate:.3g} a second"]
    if progress.left is not None:
        parts += [(" · ", "dim"), f"{seconds(progress.left)} left"]
    return line(*parts)


def _how_good(progress: Progress, phase: PhaseSummary | None) -> Line:
    if phase is None or not phase.graded:
        figures = {name: value for name, value in progress.figures.items() if name in _GOOD}
        return _named(figures)
    found = wilson(phase.correct, phase.graded)
    return line(
        ("accuracy so far ", "dim"),
        (f"{100 * found.value:.1f} %", "value", found.value),
        f" ({100 * found.low:.1f} to {100 * found.high:.1f})",
        (f" of {phase.graded:,} with a verdict", "dim"),
    )


_GOOD = ("accuracy", "loss")


def _engines(progress: Progress, now: datetime) -> Line:
    silent = seconds_since(progress.time, now)
    warning: Line = ()
    if silent is not None and silent > SILENT:
        place = f"process {progress.pid} on {label(progress.host, 24)}"
        warning = line((f"no sign of life for {seconds(silent)}: {place}", "bad"), (" · ", "dim"))
    return warning + _named({name: value for name, value in progress.figures.items() if name not in _GOOD})


def _named(figures: dict[str, float | int | str | None]) -> Line:
    parts: list[str | tuple[str, Style]] = []
    for name, value in figures.items():
        if value is not None:
            parts += [(" · " if parts else "", "dim"), (f"{label(name, 24)} ", "dim"), number(value)]
    return line(*parts)


def number(value: object) -> str:
    """A figure in a few cells: ``0.0235``, ``1,234``, ``12.3k``; other things as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return label(str(value), 40)
    if isinstance(value, int) or value.is_integer():
        return count(round(value)) if value >= 0 else f"{value:,.0f}"
    if abs(value) >= 1000:
        return count(round(value)) if value > 0 else f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"


def method_line(row: Evaluation | None) -> Line:
    """The whole name of the method of an evaluation, which a table cuts where it has no room."""
    return line() if row is None else line((label(row.method, 400), "dim"))


def against_line(found: Differences | None) -> Line:
    """How many settings another run has otherwise."""
    if found is None:
        return line(("no other run in this store to compare the settings with", "dim"))
    many = len(found.settings)
    words = f"{many} {'setting differs' if many == 1 else 'settings differ'}"
    return line((words, "bold"), " from ", label(found.other, 40))


def samples_line(page: SamplePage | None) -> Line:
    """Which page of samples is shown."""
    if page is None:
        return line(("reading …", "dim"))
    if not page.total:
        return line(("no samples to learn from yet", "dim"))
    return line(f"page {page.page + 1} of {page.last + 1}", (f", {page.total:,} samples", "dim"))


def in_short(detail: RunDetail, width: int) -> list[Line]:
    """A run in a few lines: its phases, accuracies, checkpoints, and what sets it apart from another."""
    parts = [
        _phases_in_short(detail.phases, width),
        _differences(detail),
        _iterations(detail.evaluations),
        _checkpoints(detail.checkpoints),
    ]
    return [each for part in parts if part for each in (*part, line())]


def _phases_in_short(phases: Sequence[PhaseSummary], width: int) -> list[Line]:
    lines = _time(phases, width)
    ended = [phase for phase in phases if phase.status == "failed"]
    for phase in ended:
        why = number(phase.summary.get("message", "no reason given"))
        lines.append(line((f"{label(phase.name, 24)} failed: ", "bad"), label(why, 400)))
    return lines


def _differences(detail: RunDetail) -> list[Line]:
    if detail.other is None:
        return []
    lines = [line(("settings that differ from those of ", "bold"), (label(detail.other, 40), "bold"))]
    for each in detail.differences[:_MOST_SETTINGS]:
        values = f"{label(str(each.a), 40)}", f" (there {label(str(each.b), 40)})"
        lines.append(line(label(each.key, 60), " ", (values[0], "mark"), (values[1], "dim")))
    more = len(detail.differences) - _MOST_SETTINGS
    if more > 0:
        lines.append(line((f"and {more} more", "dim")))
    return lines if detail.differences else [*lines, line("none")]


def overview(page: RunPage, width: int) -> list[Line]:
    """Workers on other machines, accuracies by iteration and budget, where the time went, checkpoints."""
    parts = [
        [] if page.progress is None else worker_rows(page.progress.workers),
        _iterations(page.evaluations),
        _budgets(page.evaluations, width),
        _time(page.phases, width),
        _checkpoints(page.checkpoints),
    ]
    return [each for part in parts if part for each in (*part, line())]


def _iterations(rows: Sequence[Evaluation]) -> list[Line]:
    lines = [line(("accuracy after the last iteration", "bold"))]
    for mark, (name, found) in zip(MARKS, by_iteration(rows).items(), strict=False):
        first, last = found[0], found[-1]
        before = f"{100 * first.accuracy:.1f} → " if len(found) > 1 else ""
        lines.append(
            line(
                (f"{mark} ", "mark"),
                f"{before:>7}",
                (f"{100 * last.accuracy:4.1f}", "value", last.accuracy),
                (f" ({100 * last.low:.0f} to {100 * last.high:.0f})  ", "dim"),
                label(name[0], 40) + ("" if name[1] is None else f" {name[1]}"),
            )
        )
    return lines if len(lines) > 1 else []


def _budgets(rows: Sequence[Evaluation], width: int) -> list[Line]:
    methods = by_budget(rows)
    if not methods:
        return []
    phase = next(iter(methods.values()))[0].phase
    lines = [line((f"{label(phase, 24)}: accuracy by budget in tokens, %", "bold"))]
    room = min(width - _BUDGETS_WIDTH, 24)
    for mark, (method, found) in zip(MARKS.upper(), methods.items(), strict=False):
        parts: list[str | tuple[str, Style] | tuple[str, Style, float]] = [
            (f"{mark} ", "mark"),
            f"{label(method, 28):28}",
        ]
        for row in found[-3:]:
            parts += [
                (f" {count(row.budget or 0):>6} ", "dim"),
                (f"{100 * row.accuracy:5.1f}", "value", row.accuracy),
            ]
        drawn = f" {bar(found[-1].accuracy, room)}" if room >= _LEAST_BAR else ""
        lines.append(line(*parts, drawn))
    return lines


def kind_of(phase: PhaseSummary) -> str:
    """The kind by which the time of a phase is counted."""
    return phase.kind if phase.kind in _KINDS else "other"


def _time(phases: Sequence[PhaseSummary], width: int) -> list[Line]:
    total = sum(phase.seconds or 0.0 for phase in phases)
    if not total:
        return []
    room, strip, reached = max(width - 2, 10), line(), 0.0
    for phase in phases:
        start, reached = round(reached / total * room), reached + (phase.seconds or 0.0)
        sign, style = _KINDS[kind_of(phase)]
        strip += line((sign * (round(reached / total * room) - start), style))
    shares = []
    for kind, (sign, style) in _KINDS.items():
        spent = sum(phase.seconds or 0.0 for phase in phases if kind_of(phase) == kind)
        if spent:
            shares.append(
                line((f"{sign} ", style), f"{kind} {seconds(spent)}", (f" ({spent / total:.0%})", "dim"))
            )
    return [line((f"time: {seconds(total)}", "bold")), strip, *shares]


def _checkpoints(checkpoints: Sequence[Checkpoint]) -> list[Line]:
    if not checkpoints:
        return []
    lines = [line(("checkpoints", "bold"), (" (✓ the next iteration goes on from it)", "dim"))]
    for made in checkpoints:
        parent = "" if made.parent is None else f" ← {label(made.parent.removeprefix('checkpoints/'), 30)}"
        lines.append(
            line(
                ("✓ ", "good") if made.carried else ("  ", ""),
                f"{made.iteration}/{label(made.kind, 20)}",
                (parent, "dim"),
                f"  {_worth(made)}",
            )
        )
    return lines


def _worth(made: Checkpoint) -> str:
    figures = made.metrics
    shown = []
    if isinstance(accuracy := figures.get("validation_accuracy"), int | float):
        shown.append(f"validation {100 * accuracy:.1f} %")
    if judged([made]) and isinstance(auc := figures.get("auc"), int | float):
        shown.append(f"AUC {auc:.3f}")
        if isinstance(control := figures.get(f"{CONTROL}auc"), int | float):
            shown.append(f"(log-probability {control:.3f})")
    return " ".join(shown)
