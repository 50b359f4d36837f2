"""From rows of the index to what the store hands out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

Rows = Callable[..., "list[sqlite3.Row]"]
"""Runs a query: SQL and its values; :meth:`store.index.connection.Connection.rows`."""


def members(row: sqlite3.Row, cls: type, **more: Any) -> dict[str, Any]:
    """The fields of the dataclass ``cls`` by name: those in ``more``, the others from ``row``."""
    return {field.name: more.get(field.name, row[field.name]) for field in fields(cls)}


def flag(value: int | None) -> bool | None:
    """A verdict as SQLite has it."""
    return None if value is None else bool(value)
