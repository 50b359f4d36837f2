"""The checksum at the end of a line."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.encoding.lines import parse_line, with_checksum
from tests.store.strategies import JSON, TEXTS

ROWS = st.dictionaries(TEXTS.filter(lambda name: name != "crc32"), JSON, min_size=1, max_size=3)


@given(ROWS)
def test_a_line_comes_back_without_its_checksum(row: dict[str, Any]) -> None:
    data = orjson.dumps(row)
    line = with_checksum(data)
    assert orjson.loads(line) == {**row, "crc32": f"{crc32(data[:-1]):08x}"}
    assert parse_line(line) == parse_line(data) == row


@given(ROWS, st.data())
def test_a_changed_byte_is_found(row: dict[str, Any], data: st.DataObject) -> None:
    line = bytearray(with_checksum(orjson.dumps(row)))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_line(bytes(line))
    except ValueError:
        return
    # The name of the field itself was changed: the line says what it said.
    assert {name: found[name] for name in row} == row and len(found) == len(row) + 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1, "crc32": "00000000"}',
        b'{"a":1,"crc32":7}',
        b'{"crc32":"00000000","a":1}',
        b'{"a":1,"crc32":"00000000"}',
        b'{"a":1,"crc32":true}',
    ],
)
def test_a_wrong_checksum_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="checksum"):
        parse_line(line)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^not JSON \("):
        parse_line(b'{"a"')
    assert parse_line(b"[1]") == [1]
