"""How far the running phase of a run has come: ``progress.json`` beside the run, for those who watch it."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.fields import (
    OPTIONAL_NUMBER,
    OPTIONAL_WHOLE,
    PLAIN,
    TEXT,
    WHOLE,
    Form,
    Forms,
    dump,
)
from store.errors import StoreError
from store.files.atomic import write_all
from store.files.plain import open_plain, read_plain
from store.records import Progress, WorkerFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from store.files.layout import RunLayout

    Figures = Mapping[str, float | int | str | None]

EVERY = 1.0
"""Seconds between two writings, at least."""

MOST_WORKERS = 64
"""So many workers are told of."""

_WORKER = Forms(
    WorkerFigures,
    name=TEXT,
    node=TEXT,
    state=TEXT,
    searches=WHOLE,
    running=WHOLE,
    tokens=OPTIONAL_WHOLE,
    tokens_per_second=OPTIONAL_NUMBER,
    busy=OPTIONAL_NUMBER,
    cache_hits=OPTIONAL_NUMBER,
)

_WORKERS = Form(
    frozenset({list}),
    lambda rows: tuple(map(_WORKER.read, rows)),
    lambda workers: list(map(_WORKER.write, workers)),
)

_PROGRESS = Forms(
    Progress,
    phase=TEXT,
    kind=TEXT,
    done=WHOLE,
    total=OPTIONAL_WHOLE,
    rate=OPTIONAL_NUMBER,
    left=OPTIONAL_NUMBER,
    figures=PLAIN,
    started=TEXT,
    time=TEXT,
    pid=WHOLE,
    host=TEXT,
    workers=_WORKERS,
)


class ProgressFile:
    """Says how far a phase is, at most once a second; for the one process that writes the run.

    The file is a service to those who watch. One that cannot be written is given up, and ends nothing.
    """

    def __init__(self, layout: RunLayout) -> None:
        self._path = layout.progress
        self._phase = self._kind = self._started = ""
        self._total: int | None = None
        self._before: int | None = None
        self._workers: tuple[WorkerFigures, ...] = ()
        self._began = self._written = 0.0
        self._given_up = False

    def start(self, phase: str, kind: str, total: int | None) -> None:
        """A phase begins; ``total`` is how many pieces of work it has."""
        self._phase, self._kind, self._total = phase, kind, total
        self._started, self._began, self._before = _now(), time.monotonic(), None
        self._workers = ()
        self._write(0, {})

    def update(self, done: int, figures: Figures) -> None:
        """``done`` pieces of work are ready."""
        if self._before is None:
            self._before = max(0, done - 1)  # what an earlier start of the run has done took no time now
        if time.monotonic() - self._written >= EVERY:
            self._write(done, figures)

    def workers(self, found: Sequence[WorkerFigures]) -> None:
        """What workers on other machines have done, for the next :meth:`update`."""
        self._workers = tuple(found[:MOST_WORKERS])

    def remove(self) -> None:
        """Nothing is under way any more."""
        self._keep(lambda: self._path.unlink(missing_ok=True))

    def _write(self, done: int, figures: Figures) -> None:
        self._written = time.monotonic()
        seconds, new = self._written - self._began, done - (self._before or 0)
        rate = new / seconds if new > 0 and seconds > 0 else None
        left = None if self._total is None or rate is None else max(0, self._total - done) / rate
        found = Progress(
            phase=self._phase,
            kind=self._kind,
            done=done,
            total=self._total,
            rate=rate,
            left=left,
            figures={name: value for name, value in figures.items() if _can_be_kept(value)},
            started=self._started,
            time=_now(),
            pid=os.getpid(),
            host=socket.gethostname(),
            workers=self._workers,
        )
        self._keep(lambda: self._replace(dump(_PROGRESS.write(found))))

    def _replace(self, data: bytes) -> None:
        # Nothing is forced to the disk: what is a second old is worth nothing after a power failure.
        temporary = self._path.with_name(f".{self._path.name}.new")
        descriptor = open_plain(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)

    def _keep(self, work: Callable[[], object]) -> None:
        if self._given_up:
            return
        try:
            work()
        except (OSError, ValueError, StoreError):
            self._given_up = True  # the files of the run itself say what is wrong with the disk


def _can_be_kept(value: float | int | str | None) -> bool:
    return not isinstance(value, float) or isfinite(value)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def read_progress(layout: RunLayout) -> Progress | None:
    """What the process that writes a run said last; None where it said nothing."""
    try:
        row: Any = orjson.loads(read_plain(layout.progress))
        return _PROGRESS.read(row)
    except (OSError, ValueError, StoreError):
        return None  # it is replaced every second, and nothing depends on it
