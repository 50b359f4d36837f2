"""Asks on a terminal whether long work is to go on."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager
from typing import Protocol

from restmcts.cli.output.console import print_table
from restmcts.cli.output.text import note
from restmcts.loops.work.forecast import Expected, Forecast

COLUMNS = ("still to do", "searches", "tokens", "time")


class Pausing(Protocol):
    """Progress that can leave the terminal to others for a while."""

    def paused(self) -> AbstractContextManager[None]: ...


class Question:
    """Shows what is expected, and asks; without a terminal it goes on, with a note.

    Searches that run go on meanwhile, but no others begin.

    Args:
        progress: shows how far the work is.
        yes: show it, and do not ask.
    """

    def __init__(self, progress: Pausing, yes: bool) -> None:
        self._progress = progress
        self._yes = yes

    async def __call__(self, forecast: Forecast) -> bool:
        with self._progress.paused():
            title = f"expected from the first {forecast.searches} searches"
            rows = [*map(_cells, forecast.rows), ("in all", "", "", duration(forecast.seconds))]
            print_table(title, COLUMNS, rows, aside=True)
            if self._yes:
                return True
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                note("there is no terminal to ask on, so it goes on; --yes leaves this out")
                return True
            return await _asked("go on? [Y/n] ")


async def _asked(question: str) -> bool:
    """What somebody at the terminal says; an empty line is yes, the end of the input is no."""
    sys.stderr.write(question)
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    # No thread waits for the line: it would outlive a run that Ctrl-C ends.
    loop.add_reader(sys.stdin.fileno(), typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    line = sys.stdin.readline()
    return bool(line) and line.strip().lower() in ("", "y", "yes")


def _cells(row: Expected) -> tuple[object, ...]:
    def number(value: int | None) -> str:
        return "–" if value is None else f"{value:,}"

    time = "–" if row.seconds is None else duration(row.seconds)
    return row.name, number(row.searches), number(row.tokens), time


def duration(seconds: float) -> str:
    """A time as text: seconds, minutes, or hours and minutes."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60} min"
