"""The history of a run: the lines of ``phases.jsonl`` and what they add up to.

The first line says when the run was created; then each phase has lines for its starts, for what it used, and
for its end. The last line about a phase counts. Lines are numbered, so that one that is gone is missed. The
lines that end something carry the fingerprints of the files that are finished then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.encoding.fields import dump, plain
from store.encoding.lines import with_checksum
from store.errors import StoreError
from store.events import FORMAT
from store.files.fingerprints import Fingerprint
from store.files.inputs import Input, from_rows
from store.files.jsonl import read_rows
from store.files.plain import leads_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.files.layout import RunLayout
    from store.records import PhaseStatus


@dataclass(slots=True)
class Phase:
    """A phase as its last lines have it.

    ``started`` is the time of its last start. ``uses`` is what was used by name, for example
    ``{"search_methods": {"mcts": "restmcts 0.1"}}``: the distribution and the version of each. ``source`` is
    the run that did the phase, where this run has taken it over.

    ``files`` are those that the phase has finished, by their paths in the run; ``rows`` are its rows in files
    that phases share, by the names of these files. Both are None until the phase is done, and stay so in runs
    of older versions.
    """

    name: str
    kind: str
    iteration: int | None
    started: str
    status: PhaseStatus = "running"
    seconds: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, Fingerprint] | None = None
    rows: dict[str, Fingerprint] | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is finished: its path in the run, what it holds, and what wrote it, in words."""

    path: str
    fingerprint: Fingerprint
    writer: str


@dataclass(slots=True)
class Journal:
    """What has happened in a run so far; ``phases`` are in the order of their first starts.

    ``lines`` is the number of the last line. ``files`` are those that were written when the run was created.
    ``labels`` are the files of labels by their paths in the run, None for one that was being replaced.
    ``inputs`` are the files and folders outside of the run that it has used, by their paths.
    """

    created: str = ""
    finished: bool = False
    phases: dict[str, Phase] = field(default_factory=dict)
    latest: Phase | None = None
    lines: int = 0
    numbered: bool = False
    files: dict[str, Fingerprint] = field(default_factory=dict)
    labels: dict[str, Fingerprint | None] = field(default_factory=dict)
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
            self.files = _fingerprints(row.get("files", {}))
        elif event == "finished":
            self.finished = True
        elif event == "started":
            self._start(row)
        elif event in ("done", "failed"):
            phase = self.phases[str(name)]
            phase.status = event
            phase.seconds = float(row["seconds"])
            phase.summary = dict(row["summary"])
            phase.source = _run_name(row.get("source"))
            if "files" in row:
                phase.files, phase.rows = _fingerprints(row["files"]), _fingerprints(row["rows"])
        elif event == "labelling":
            self.labels[labels_path(row)] = None
        elif event == "labelled":
            self.labels[labels_path(row)] = Fingerprint.from_row(row["file"])
        elif event == "uses":
            self._use(self.phases[str(name)], row["uses"])
        elif event == "inputs":
            self.inputs[str(row["path"])] = from_rows(row["files"])
        elif event != "resumed":
            raise ValueError(f"unknown event {event!r}")

    def count(self, row: dict[str, Any]) -> str | None:
        """Count one line; what is wrong with its number, if anything is."""
        self.lines += 1
        number, place = row.get("number"), self.lines
        if number is None and not self.numbered:
            return None  # the lines of older versions come first, and have no numbers
        self.numbered = True
        if type(number) is not int:
            return "it has no number, but a line before it has one"
        self.lines = number
        return (
            None if number == place else f"it has number {number} at place {place}: lines are gone or doubled"
        )

    def finished_files(self) -> Iterator[Finished]:
        """Every file whose content is known from its end on."""
        for path, known in self.files.items():
            yield Finished(path, known, "the start of the run")
        for phase in self.phases.values():
            for path, known in (phase.files or {}).items():
                yield Finished(path, known, f"phase {phase.name!r}")
        for path, labels in self.labels.items():
            if labels is not None:
                yield Finished(path, labels, "a labelling")

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
        phase.files = phase.rows = phase.source = None
        self.latest, self.finished = phase, False


def _run_name(name: Any) -> str | None:
    if name is not None and type(name) is not str:
        raise ValueError("source is no name of a run")
    return name


def entry(event: str, **more: Any) -> dict[str, Any]:
    """A line for the journal, of this moment."""
    return {"format": FORMAT, "event": event, "time": datetime.now(UTC).isoformat(), **more}


def encode_entry(row: dict[str, Any]) -> bytes:
    """The line as JSON. Raises :class:`StoreError` when it holds what JSON does not have."""
    try:
        return with_checksum(dump(plain(row)))
    except ValueError as error:
        raise StoreError(f"phase {row.get('phase')!r}: its summary cannot be stored: {error}") from error


def take_in(journal: Journal, row: Any, where: str) -> None:
    """Apply a line that was read from ``where``, or raise :class:`StoreError`."""
    if isinstance(row, ValueError):
        journal.lines += 1
        raise StoreError(f"{where}: {row}")
    wrong = None
    try:
        wrong = journal.count(row)
        if row["format"] != FORMAT:
            raise ValueError(f"format {row['format']}, this version reads {FORMAT}")
        journal.apply(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if wrong is None:
            raise StoreError(f"{where}: not a line about a phase: {error!s}") from error
    if wrong is not None:
        raise StoreError(f"{where}: {wrong}; restore the file from a copy")


def labels_path(row: dict[str, Any]) -> str:
    """Where the labels are that a line is about, in the run. Raises ValueError for a name that leads out."""
    return inside(f"labels/{row['phase']}.{row['rule']}.jsonl")


def inside(path: str) -> str:
    """Return ``path`` if it is one below a folder, whatever the folder is, or raise ValueError."""
    if leads_out(path):
        raise ValueError(f"{path!r} is no path in a run")
    return path


def _fingerprints(rows: Any) -> dict[str, Fingerprint]:
    if type(rows) is not dict:
        raise ValueError("files and rows are tables of fingerprints")
    return {inside(path): Fingerprint.from_row(row) for path, row in rows.items()}


def read_journal(layout: RunLayout) -> Journal:
    """What has happened in a stored run so far.

    Raises:
        StoreError: a line of ``phases.jsonl`` cannot be read, or the file is a link.
    """
    journal, path = Journal(), layout.plain(layout.phases)
    for line, row in read_rows(path):
        take_in(journal, row, f"{path}:{line.number}")
    return journal
