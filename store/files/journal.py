"""The history of a run: the lines of ``phases.jsonl`` and what they add up to.

The first line says when the run was created; then each phase has lines for its starts, for what it used, and
for its end. The last line about a phase counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.encoding.fields import dump, plain
from store.errors import StoreError
from store.events import FORMAT
from store.files.inputs import Input, from_rows
from store.files.jsonl import read_rows

if TYPE_CHECKING:
    from store.files.layout import RunLayout
    from store.records import PhaseStatus


@dataclass(slots=True)
class Phase:
    """A phase as its last lines have it.

    ``started`` is the time of its last start. ``uses`` is what was used by name, for example
    ``{"search_methods": {"mcts": "restmcts 0.1"}}``: the distribution and the version of each.
    """

    name: str
    kind: str
    iteration: int | None
    started: str
    status: PhaseStatus = "running"
    seconds: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Journal:
    """What has happened in a run so far; ``phases`` are in the order of their first starts.

    ``inputs`` are the files and folders outside of the run that it has used, by their paths.
    """

    created: str = ""
    finished: bool = False
    phases: dict[str, Phase] = field(default_factory=dict)
    latest: Phase | None = None
    inputs: dict[str, Input] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """``done``, ``failed``, or ``running`` for a run that is to go on."""
        if self.finished:
            return "done"
        return "failed" if self.latest is not None and self.latest.status == "failed" else "running"

    def apply(self, row: dict[str, Any]) -> None:
        """Take in one line. Raises KeyError, TypeError or ValueError when it makes no sense."""
        event, name = row["event"], row.get("phase")
        if event == "created":
            self.created = str(row["time"])
        elif event == "finished":
            self.finished = True
        elif event == "started":
            self._start(row)
        elif event in ("done", "failed"):
            phase = self.phases[str(name)]
            phase.status = event
            phase.seconds = float(row["seconds"])
            phase.summary = dict(row["summary"])
        elif event == "uses":
            self._use(self.phases[str(name)], row["uses"])
        elif event == "inputs":
            self.inputs[str(row["path"])] = from_rows(row["files"])
        elif event != "resumed":
            raise ValueError(f"unknown event {event!r}")

    @staticmethod
    def _use(phase: Phase, uses: dict[str, dict[str, str]]) -> None:
        for kind, origins in uses.items():
            if not all(isinstance(origin, str) for origin in origins.values()):
                raise ValueError(f"uses.{kind} is no table of names and distributions")
            phase.uses.setdefault(kind, {}).update(origins)

    def _start(self, row: dict[str, Any]) -> None:
        name, iteration = str(row["phase"]), row["iteration"]
        if iteration is not None and type(iteration) is not int:
            raise ValueError(f"iteration {iteration!r} is no whole number")
        phase = self.phases.setdefault(name, Phase(name, "", None, ""))
        phase.kind, phase.iteration, phase.started = str(row["kind"]), iteration, str(row["time"])
        phase.status, phase.seconds, phase.summary = "running", None, {}
        self.latest, self.finished = phase, False


def entry(event: str, **more: Any) -> dict[str, Any]:
    """A line for the journal, of this moment."""
    return {"format": FORMAT, "event": event, "time": datetime.now(UTC).isoformat(), **more}


def encode_entry(row: dict[str, Any]) -> bytes:
    """The line as JSON. Raises :class:`StoreError` when it holds what JSON does not have."""
    try:
        return dump(plain(row))
    except ValueError as error:
        raise StoreError(f"phase {row.get('phase')!r}: its summary cannot be stored: {error}") from error


def take_in(journal: Journal, row: Any, where: str) -> None:
    """Apply a line that was read from ``where``, or raise :class:`StoreError`."""
    try:
        if row["format"] != FORMAT:
            raise ValueError(f"format {row['format']}, this version reads {FORMAT}")
        journal.apply(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{where}: not a line about a phase: {error!s}") from error


def read_journal(layout: RunLayout) -> Journal:
    """What has happened in a stored run so far.

    Raises:
        StoreError: a line of ``phases.jsonl`` cannot be read, or the file is a link.
    """
    journal, path = Journal(), layout.plain(layout.phases)
    for line, row in read_rows(path):
        take_in(journal, row, f"{path}:{line.number}")
    return journal
