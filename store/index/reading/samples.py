"""Samples to learn from, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from store.index.reading.rows import members
from store.records import SampleSummary

if TYPE_CHECKING:
    import sqlite3

    from store.index.reading.rows import Rows

_PAGE = "SELECT * FROM samples WHERE run = ? ORDER BY phase, number LIMIT ? OFFSET ?"


def samples(rows: Rows, run: str, limit: int, offset: int) -> list[SampleSummary]:
    """See :meth:`store.index.reader.StoreReader.samples`."""
    return [_sample(row) for row in rows(_PAGE, (run, limit, offset))]


def _sample(row: sqlite3.Row) -> SampleSummary:
    return SampleSummary(**members(row, SampleSummary, trees=tuple(orjson.loads(row["trees"]))))


def count_samples(rows: Rows, run: str) -> int:
    """How many samples a run has."""
    return int(rows("SELECT count(*) FROM samples WHERE run = ?", (run,))[0][0])
