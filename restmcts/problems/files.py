"""The objects in a file of problems: JSON Lines, also compressed by gzip, a JSON array, or CSV."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from restmcts.errors import InputError

_OTHERS = {
    b"PAR1": "a Parquet file: write it as JSON Lines, for example with pandas:"
    ' pandas.read_parquet(FILE).to_json("problems.jsonl", orient="records", lines=True)',
    b"ARROW1": "an Arrow file: write it as JSON Lines, for example with datasets: Dataset.to_json",
    b"SQLite format 3": "a SQLite database: write its rows as JSON Lines",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save it as CSV",
    b"BZh": "compressed by bzip2: unpack it, or compress it by gzip",
    b"\xfd7zXZ": "compressed by xz: unpack it, or compress it by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it, or compress it by gzip",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself by `git lfs pull`",
}
"""How files begin that hold no problems that can be read, and what to do with them."""

_GZIP = b"\x1f\x8b"

MOST_DIGITS = 1000
"""A longer whole number is refused unless it is in quotes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a file: where it stands, its number there from 1, and its JSON."""

    place: str
    number: int
    text: str


def read_items(path: Path, column: str | None = "problem") -> Iterator[Item]:
    """The objects of ``path``, in order; their JSON is not checked. Blank lines are skipped.

    A name that ends in ``.csv`` or ``.tsv`` stands for a table, whose first row names its columns; empty
    cells are left out. Any other file holds JSON: an object a line, an array, or objects over several lines.

    Args:
        column: a column that a table must have; None: any columns will do.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file of problems in it")
    try:
        with path.open("rb") as raw:
            start = raw.peek(32)
            for beginning, what in _OTHERS.items():
                if start.startswith(beginning):
                    raise InputError(f"{path} is {what}")
            file: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if start.startswith(_GZIP) else raw
            yield from _table(path, file, column) if _is_table(path) else _json(path, file)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: check the path of the data set") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}") from error


def stem(path: Path) -> str:
    """The name of a file without its endings, with which the names of its problems begin."""
    return Path(path.name.removesuffix(".gz")).stem


def _is_table(path: Path) -> bool:
    return Path(path.name.removesuffix(".gz")).suffix.lower() in (".csv", ".tsv")


def _json(path: Path, file: io.BufferedIOBase) -> Iterator[Item]:
    number, line = next(((number, line) for number, line in enumerate(file, 1) if line.strip()), (0, b""))
    if not line:
        return
    # Some editors put a byte order mark in front of the first line.
    text = _decoded(line, f"{path}:{number}").removeprefix("\ufeff")
    if not _is_object(text) and text.lstrip().startswith(("{", "[")):
        rest = file.read()
        try:
            yield from list(_split(path, (text + rest.decode("utf-8")).lstrip()))
            return
        except (ValueError, RecursionError):
            file = io.BytesIO(rest)  # lines after all, and the first of them is broken
    yield Item(f"{path}:{number}", number, text)
    for following, data in enumerate(file, number + 1):
        if data.strip():
            place = f"{path}:{following}"
            yield Item(place, following, _decoded(data, place))


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 at byte {error.start + 1}: save the file as UTF-8") from error


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def _is_object(text: str) -> bool:
    """Does a line hold one whole object?"""
    try:
        value, end = _DECODER.raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and not text.lstrip()[end:].strip()


def _split(path: Path, text: str) -> Iterator[Item]:
    """The objects of an array, or those that stand one after the other; ValueError where there is more."""
    in_array = text.startswith("[")
    position, number = int(in_array), 0
    while position < len(text):
        position = _skip(text, position)
        if position == len(text) or (in_array and text[position] == "]"):
            break
        value, end = _DECODER.raw_decode(text, position)
        if not isinstance(value, dict):
            raise ValueError("no object")
        number += 1
        yield Item(f"{path}: item {number}", number, text[position:end])
        position = _skip(text, end)
        if in_array and text[position : position + 1] == ",":
            position += 1
    if in_array and text[position:].strip() != "]":
        raise ValueError("the array does not end")


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _table(path: Path, file: io.BufferedIOBase, column: str | None) -> Iterator[Item]:
    """The rows of a table as objects; cells of a column ``tolerance`` are numbers, all others text."""
    csv.field_size_limit(2**31 - 1)
    lines = io.TextIOWrapper(cast(IO[bytes], file), "utf-8-sig", newline="")
    number = 0
    try:
        head = lines.readline()
        delimiter = max(",;\t", key=head.count)
        reader = csv.reader(chain([head], lines), delimiter=delimiter, strict=True)
        columns = [name.strip() for name in next(reader, [])]
        if column is not None and column not in columns:
            raise InputError(f"{path}: no column {column!r}: the first row has to name the columns")
        for number, cells in enumerate(reader, 1):
            place = f"{path}: row {number}"
            if len(cells) > len(columns):
                raise InputError(f"{place} has more cells than there are columns: put text in quotes")
            row = {name: cell for name, cell in zip(columns, cells, strict=False) if cell.strip()}
            if row:
                yield Item(place, number, _as_json(row))
    except csv.Error as error:
        raise InputError(f"{path}: row {number + 1} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: save the file as UTF-8") from error


def _as_json(row: dict[str, str]) -> str:
    values: dict[str, str | float] = dict(row)
    with suppress(KeyError, ValueError):
        values["tolerance"] = float(row["tolerance"])
    return json.dumps(values)


def parse_object(text: str, place: str, *, as_written: bool = False) -> dict[str, Any]:
    """The object that the JSON ``text`` holds.

    Args:
        place: how messages name where it stands.
        as_written: numbers with a point or an exponent become text, so that 50.70 does not become 50.7.

    Raises:
        InputError: it is no object, or one that cannot be stored: see the message.
    """
    try:
        row = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_whole,
            parse_float=str if as_written else float,
            object_pairs_hook=_with_single_keys,
        )
        if "\\ud" in text.lower():
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: broken JSON at column {error.colno}: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: half of a character pair (\\ud800 to \\udfff) stands alone") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: this JSON cannot be read: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"{place}: this is no JSON object: write one object a line, like {{...}}")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits: put it in quotes")
    return int(digits)


def _with_single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in pairs:
        if key in row:
            raise ValueError(f"the key {key!r} is there twice: leave one of them out")
        row[key] = value
    return row
