"""How far the running phase of a run has come: ``progress.json`` beside the run, for those who watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.fields import (
    OPTIONAL_NUMBER,
    OPTIONAL_WHOLE,
    PLAIN,
    TEXT,
    WHOLE,
    Forms,
)
from store.errors import StoreError
from store.files.plain import read_plain
from store.records import Progress

if TYPE_CHECKING:
    from store.files.layout import RunLayout

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
)


def read_progress(layout: RunLayout) -> Progress | None:
    """What the process that writes a run said last; None where it said nothing."""
    try:
        row: Any = orjson.loads(read_plain(layout.progress))
        return _PROGRESS.read(row)
    except (OSError, ValueError, StoreError):
        return None  # it is replaced every second, and nothing depends on it
