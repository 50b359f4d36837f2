"""The rows of published data sets: their fields by name, from Parquet, JSON or CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restmcts.errors import InputError
from restmcts.problems.files import parse_object, read_items

SHOWN_FIELDS = 12
"""So many names of fields a message lists."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    ``place`` is how messages name it, ``file`` its file, ``number`` its number there, from 1. ``values``
    has its fields; a number with a point is text, as it is written.
    """

    place: str
    file: Path
    number: int
    values: Mapping[str, Any]

    def text(self, *names: str) -> str:
        """The text of the first of the fields ``names`` that the row has, without spaces around it.

        Raises:
            InputError: it has none of them, or the field is neither text nor a number.
        """
        found = self.maybe(*names)
        if found is None:
            fields = ", ".join(list(self.values)[:SHOWN_FIELDS])
            wanted = " or ".join(repr(name) for name in names)
            raise InputError(f"{self.place}: the field {wanted} is missing or empty; there are: {fields}")
        return found

    def maybe(self, *names: str) -> str | None:
        """As :meth:`text`, but None where there is none of the fields, or nothing in it."""
        for name in names:
            value = self.values.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise InputError(f"{self.place}: {name!r} must be text, not {type(value).__name__}")
            return str(value).strip()
        return None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in order: of Parquet, or of what :func:`read_items` reads.

    Raises:
        InputError: the file cannot be read, or a row is no object.
    """
    if path.suffix == ".parquet":
        yield from _parquet(path)
        return
    for item in read_items(path, column=None):
        values = parse_object(item.text, item.place, as_written=True)
        yield Row(item.place, path, item.number, values)


def _parquet(path: Path) -> Iterator[Row]:
    # pyarrow is needed for these files only, and takes a tenth of a second to import.
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    plain = {name: _plain(value) for name, value in values.items()}
                    yield Row(f"{path}: row {number}", path, number, plain)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error


def _plain(value: Any) -> Any:
    """What JSON would hold: a picture is only said to be there, and a number with a point is text."""
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, bytes) or (isinstance(value, dict) and isinstance(value.get("bytes"), bytes)):
        return True
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | int | dict):
        return value
    return str(value)
