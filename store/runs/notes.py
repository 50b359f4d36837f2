"""What people note about trees: lines of ``notes.jsonl`` beside a run.

Notes may be made while another process writes the run, and after. They are no part of what the run has made.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.encoding.rows import encode_note, note_from
from store.errors import InputError
from store.files.jsonl import LineWriter, read_rows
from store.files.lock import exclusive
from store.records import Note

if TYPE_CHECKING:
    from store.files.layout import RunLayout

_PATIENCE = 5.0
_LONGEST = 10_000


def add_note(layout: RunLayout, tree: str, text: str, event: int | None = None) -> Note:
    """Make a note about a tree, or about the moment after ``event`` events of it.

    Raises:
        InputError: the text is empty or longer than 10,000 characters.
        StoreError: the store cannot be written.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        raise InputError(f"a note has 1 to {_LONGEST:,} characters, this one has {len(text):,}")
    note = Note(layout.run, tree, event, text, datetime.now(UTC).isoformat())
    path = layout.plain(layout.notes)
    with exclusive(path, _PATIENCE):
        writer = LineWriter(path)
        try:
            writer.append(encode_note(note), durable=True)
        finally:
            writer.close()
    return note


def read_notes(layout: RunLayout) -> list[Note]:
    """The notes of a run, in the order of writing; none where nobody has made one.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.plain(layout.notes)
    return [note_from(row, f"{path}:{line.number}", layout.run) for line, row in read_rows(path)]
