"""Tables on standard output, progress on standard error; model text is never read as markup."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from restmcts.cli.output.text import complain, escaped, harmless, note, visible
from restmcts.cli.signals import heed
from restmcts.progress import Figures
from store.records import WorkerFigures

QUIET_SECONDS = 10.0
"""Without a terminal, a line of progress is printed no more often than this."""

WIDE = 110
"""Columns of a terminal from which on the progress has a bar and the time so far, and tables have lines."""


_FIGURES = re.compile(r"(?:[-–+]?\.?\d[\d,.]*(?:e[-+]?\d+)?%?|[-–→/()\s]|to\b|of\b)+")
"""A cell with nothing but numbers, and what stands between two of them."""

PIPED = 180
"""Columns of a table that goes to a file or a pipe."""

_WRITTEN_OUT = 1e15
"""Numbers from here on are shown by their exponent."""


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, aside: bool = False
) -> None:
    """A table on standard output; columns after the first are right-aligned where they hold numbers.

    ``aside``: it is no result, and goes to standard error.
    """
    console = Console(stderr=aside)
    if not console.is_terminal:
        console = Console(width=PIPED, stderr=aside)
    table = Table()
    if console.width < WIDE:
        table.box, table.padding = SIMPLE_HEAD, (0, 1, 0, 0)
    for number, column in enumerate(columns):
        cells = [str(row[number]) for row in rows if row[number] != ""]
        numeric = bool(cells) and all(map(_FIGURES.fullmatch, cells))
        table.add_column(Text(visible(column)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    # The title of a Rich table is broken at the width of the table.
    console.print(Text(visible(title), style="table.title"))
    console.print(table)


def terminal_width() -> int | None:
    """The cells of a line on standard output; None where that is no terminal."""
    return Console().width if sys.stdout.isatty() else None


def print_json(value: Any) -> None:
    """JSON on standard output, one line; every character that a terminal may obey is escaped."""
    print_encoded(orjson.dumps(value))


def print_encoded(data: bytes) -> None:
    """JSON without line breaks on standard output; see :func:`print_json`."""
    sys.stdout.write(escaped(data.decode()) + "\n")


def open_progress() -> TerminalProgress | LineProgress:
    """Progress that suits where standard error goes."""
    return TerminalProgress() if sys.stderr.isatty() else LineProgress()


def described(figures: Figures) -> str:
    """Figures as a short text: shares in per cent, large numbers rounded."""
    parts = []
    for name, value in figures.items():
        if value is None:
            continue
        if name in ("accuracy", "cache hits"):
            shown = f"{value:.1%}"
        elif isinstance(value, int | float) and abs(value) >= _WRITTEN_OUT:
            shown = _exponent(value)
        elif isinstance(value, float):
            shown = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
        parts.append(f"{name} {shown}")
    return ", ".join(parts)


def _exponent(value: float) -> str:
    """A large number by its exponent; a whole number may be too large for a float."""
    return f"{Decimal(value):.2e}" if isinstance(value, int) else f"{value:.3g}"


def summarized(summary: Mapping[str, Any]) -> str:
    """The plain figures of a phase summary as a short text."""
    ungraded = summary.get("graded") == 0
    plain = {name: value for name, value in summary.items() if not (ungraded and name == "solved")}
    shown = {
        name: value
        for name, value in plain.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and "." not in name
    }
    text = described(dict(list(shown.items())[:6]))
    if summary.get("at_chance"):
        text += ", ranks steps no better than chance"
    return f"{text}, not graded" if ungraded else text


def bars(console: Console) -> Bars:
    """Bars that fit the width of the console: the phase stays whole, the figures are cut."""
    wide = console.width >= WIDE
    return Bars(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        *([BarColumn(bar_width=24)] if wide else []),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        *([TimeElapsedColumn()] if wide else []),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        _Figures(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        expand=True,
    )


class _Figures(ProgressColumn):
    """The latest figures on one line."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields["figures"]), no_wrap=True, overflow="ellipsis")


class TerminalProgress:
    """Bars with rate, time left and the latest figures."""

    def __init__(self) -> None:
        self._bars = bars(Console(stderr=True))
        self._task: TaskID | None = None

    def __enter__(self) -> TerminalProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, phase: str, kind: str, total: int | None) -> None:
        heed()
        self._clear()
        self._task = self._bars.add_task(harmless(phase), total=total, figures="")

    def update(self, done: int, figures: Figures) -> None:
        heed()
        if self._task is not None:
            self._bars.update(self._task, completed=done, figures=described(figures))

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        """The figures of an update sum them up."""

    def finish(self, phase: str, summary: Mapping[str, Any]) -> None:
        self._clear()
        self._bars.console.print(Text(harmless(f"{phase:<22} {summarized(summary)}")))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to others for a while."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()

    def note(self, text: str) -> None:
        self._bars.console.print(Text(harmless(f"note: {text}"), style="yellow"))

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class LineProgress:
    """Progress as plain lines, for logs."""

    def __init__(self) -> None:
        self._phase = ""
        self._total: int | None = None
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def start(self, phase: str, kind: str, total: int | None) -> None:
        heed()
        self._phase, self._total = phase, total
        self._started = self._printed = time.monotonic()

    def update(self, done: int, figures: Figures) -> None:
        heed()
        now = time.monotonic()
        if now - self._printed < QUIET_SECONDS:
            return
        self._printed = now
        rate = done / max(1e-9, now - self._started)
        left = ""
        if self._total is not None and rate:
            left = f", {max(0.0, self._total - done) / rate:.0f} s left"
        complain(f"{self._phase}: {done}/{self._total} ({rate:.1f}/s{left}) {described(figures)}")

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        """The figures of an update sum them up."""

    def finish(self, phase: str, summary: Mapping[str, Any]) -> None:
        complain(f"{phase:<22} {summarized(summary)}")

    def paused(self) -> AbstractContextManager[None]:
        """Leave the terminal to others for a while."""
        return nullcontext()

    def note(self, text: str) -> None:
        note(text)
