"""Writing the run that shards make together: what a run that had searched everything would hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.rows import encode_note, encode_override
from store.errors import StoreError
from store.files.atomic import replace_file
from store.files.config import write_config, write_environment
from store.files.fingerprints import fingerprint_file
from store.files.inputs import to_rows
from store.files.journal import encode_entry, entry
from store.files.plain import read_plain
from store.merging.pieces import uses_of
from store.merging.shards import PHASE
from store.runs.notes import read_notes
from store.runs.overrides import Overrides
from store.runs.reading import read_overrides

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from store.files.fingerprints import Fingerprint
    from store.files.journal import Phase
    from store.files.layout import RunLayout
    from store.merging.pieces import Found, Piece


def write_merged(
    layout: RunLayout, pieces: Sequence[Piece], found: Mapping[int, Found], *, done: bool
) -> None:
    """Write a run that holds the searches of shards, in the order of their numbers.

    Verdicts that people have changed come along, and notes. What each run has measured of its engines does
    not: it is about one machine.

    Args:
        layout: the new run, whose folder is empty.
        pieces: the runs of the shards, one for each shard where all are ``done``.
        found: their searches.
        done: no search is missing; without it, the phase of the searches is left to go on.

    Raises:
        StoreError: a run cannot be read, or the new one not written.
    """
    write_config(layout, pieces[0].config, new=True)
    environments = _environments(pieces)
    write_environment(layout, environments[0], new=True)
    trees = replace_file(layout.trees(PHASE), (search.data() for search in found.values()))
    _write_overrides(layout, pieces)
    _write_notes(layout, pieces)
    rows = list(_beginning(layout, pieces, environments))
    if done:
        rows += _end(layout, pieces, trees)
    lines = (encode_entry({**row, "number": number}) + b"\n" for number, row in enumerate(rows, 1))
    replace_file(layout.phases, lines)


def _environments(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """What the shards ran on, each environment once."""
    found: list[dict[str, Any]] = []
    for piece in pieces:
        path = piece.layout.environment
        try:
            environment = orjson.loads(read_plain(path))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read: {error}; restore it from a copy") from error
        if environment not in found:
            found.append(environment)
    return found


def _beginning(
    layout: RunLayout, pieces: Sequence[Piece], environments: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The lines of the journal until the searches are there."""
    files = {path.name: fingerprint_file(path).to_row() for path in layout.written_once}
    created = min(piece.journal.created for piece in pieces)
    yield entry("created", files=files) | {"time": created}
    for environment in environments[1:]:
        yield entry("resumed", environment=environment)
    inputs = {path: files for piece in pieces for path, files in piece.journal.inputs.items()}
    for path, held in inputs.items():
        yield entry("inputs", path=path, files=to_rows(held))
    phases = _phases(pieces)
    about = {"phase": PHASE, "kind": phases[0].kind, "iteration": phases[0].iteration}
    shards = [piece.layout.run for piece in pieces]
    yield entry("started", **about, shards=shards) | {"time": min(phase.started for phase in phases)}
    for kind, origins in uses_of(pieces).items():
        yield entry("uses", phase=PHASE, uses={kind: origins})


def _phases(pieces: Sequence[Piece]) -> list[Phase]:
    return [piece.phase for piece in pieces if piece.phase is not None]


def _end(layout: RunLayout, pieces: Sequence[Piece], trees: Fingerprint) -> Iterator[dict[str, Any]]:
    """The lines of the journal that say that all is done."""
    phases = _phases(pieces)
    name = layout.trees(PHASE).relative_to(layout.folder).as_posix()
    seconds = sum(phase.seconds or 0.0 for phase in phases)
    files = {name: trees.to_row()}
    yield entry("done", phase=PHASE, seconds=seconds, summary=_summary(phases), files=files, rows={})
    yield entry("finished")


def _summary(phases: Sequence[Phase]) -> dict[str, int]:
    """What the searches came to: every figure of their phases is a count."""
    try:
        return {name: sum(phase.summary[name] for phase in phases) for name in phases[0].summary}
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"the summaries of the phase {PHASE!r} cannot be added ({error}): the shards were made by several"
            " versions; search them with one version"
        ) from error


def _write_overrides(layout: RunLayout, pieces: Sequence[Piece]) -> None:
    together = Overrides()
    for piece in pieces:
        for row in read_overrides(piece.layout).in_force():
            together = together.adding(row.problem, row.question, row.answer, row.correct, row.reason)
    if together:
        replace_file(layout.overrides, (encode_override(row) + b"\n" for row in together.log))


def _write_notes(layout: RunLayout, pieces: Sequence[Piece]) -> None:
    notes = sorted(
        (note for piece in pieces for note in read_notes(piece.layout)), key=lambda note: note.time
    )
    if notes:
        replace_file(layout.notes, (encode_note(note) + b"\n" for note in notes))
