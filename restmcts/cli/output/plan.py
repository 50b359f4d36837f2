"""The plan of a run as tables, and what is missing as one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from restmcts.loops.planning.plan import GENERATION_SHARE, PEAK, READING_SHARE, PlannedPhase, Totals
from restmcts.loops.planning.readiness import Readiness

MARKS = {True: "ok", False: "missing", None: ""}

COLUMNS = ("phase", "searches", "generated", "value tokens", "samples", "updates", "trained", "hours", "disk")

MIB = 1024**2


def plan_as_dict(ready: Readiness, phases: Sequence[PlannedPhase], sums: Totals) -> dict[str, Any]:
    """Everything that a plan says, as JSON values."""
    return {
        "ready": not ready.missing,
        "findings": [asdict(finding) for finding in ready.findings],
        "problems": asdict(ready.counts),
        "weights": asdict(ready.sizes),
        "phases": [asdict(phase) for phase in phases],
        "totals": asdict(sums),
        "assumptions": assumptions(),
    }


def print_plan(name: str, ready: Readiness, phases: Sequence[PlannedPhase], sums: Totals) -> None:
    """What is here, the phases with their upper bounds, and what is missing."""
    from restmcts.cli.output.console import print_table
    from restmcts.cli.output.text import say, visible

    findings = [(finding.what, MARKS[finding.ok], finding.found) for finding in ready.findings]
    print_table(f"run {name}: what it needs", ("what", "", "found"), findings)
    rows = [_cells(phase) for phase in phases]
    print_table("what it will do, at most", COLUMNS, [*rows, _sums(sums)])
    say(assumptions())
    if sums.unknown:
        say(f"not known before the run, and not in the totals: {', '.join(sums.unknown)}")
    if not ready.missing:
        say("\neverything that can be looked at is here; nothing was started")
        return
    say("\nmissing:")
    for finding in ready.missing:
        say(f"- {visible(finding.what)}: {visible(finding.found, 400)}; {visible(finding.todo, 600)}")


def assumptions() -> str:
    """How the bounds and the hours are computed."""
    return (
        "Bounds: every step and trace as long as it may be; value models read each token once; samples of"
        " max_length. Hours: one GPU with"
        f" {PEAK:.0e} operations a second, of which generation reaches {GENERATION_SHARE:.0%}, reading and"
        f" training {READING_SHARE:.0%}; none without the size of the model."
    )


def _cells(phase: PlannedPhase) -> list[object]:
    unknown = "?" if phase.kind != "label" else ""
    is_training = phase.kind == "train"
    return [
        f"{phase.name}{' (done)' if phase.done else ''}",
        "" if is_training or phase.kind == "label" else _number(phase.searches, unknown),
        "" if is_training else _number(phase.generated, unknown),
        "" if is_training else _number(phase.valued, unknown),
        _number(phase.samples, unknown) if is_training else "",
        _number(phase.updates, unknown) if is_training else "",
        _number(phase.trained, unknown) if is_training else "",
        "" if phase.hours is None else f"{phase.hours:.1f}",
        "" if phase.bytes is None else _size(phase.bytes),
    ]


def _sums(sums: Totals) -> list[object]:
    hours = "" if sums.hours is None else f"{sums.hours:.1f}"
    tokens = (f"{sums.generated:,}", f"{sums.valued:,}")
    return ["still to do", "", *tokens, "", "", f"{sums.trained:,}", hours, _size(sums.bytes)]


def _number(value: int | None, unknown: str) -> str:
    return unknown if value is None else f"{value:,}"


def _size(count: int) -> str:
    return f"{count / MIB:,.0f} MiB" if count < 1024 * MIB else f"{count / MIB / 1024:,.1f} GiB"
