"""Lines of JSON with a checksum, by which a line that was damaged is known.

The last field of a line is ``crc32``: the CRC-32 of all bytes of the line before that field, as eight
hexadecimal digits. Lines of older stores have none.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import orjson

_LENGTH = len(b',"crc32":"00000000"}')


def with_checksum(data: bytes) -> bytes:
    """``data``, a JSON object with a field at least, with its checksum as the last field."""
    content = memoryview(data)[:-1]
    return b"".join((content, _field(content)))


def parse_line(data: bytes) -> Any:
    """The JSON value of a line; a checksum is compared and left out.

    Raises:
        ValueError: it is not JSON, or the checksum is that of another content.
    """
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from error
    if type(row) is dict and row.pop("crc32", None) is not None:
        content = memoryview(data)[:-_LENGTH]
        if data[-_LENGTH:] != _field(content):
            raise ValueError("the line was changed: its checksum (crc32) is that of another content")
    return row


def _field(content: memoryview) -> bytes:
    return b',"crc32":"%08x"}' % crc32(content)
