"""The files of model folders: JSON objects and the headers of weights, read with care.

A folder may come from anybody. This imports no model library.
"""

from __future__ import annotations

import json
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from restmcts.errors import InputError

LONGEST_JSON: Final = 2**26
LONGEST_HEADER: Final = 100_000_000
"""Bytes; the second is the limit of safetensors itself."""

_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the weights as the header of its file has it: the type of its numbers, and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder.

    Raises:
        InputError: the file holds something else, or is no file.
    """
    check_file(path)
    if path.stat().st_size > LONGEST_JSON:
        raise InputError(f"{path}: {path.stat().st_size} bytes are too many for such a file")
    try:
        value = json.loads(path.read_bytes())
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no JSON object")
    return value


def header_of(path: Path) -> dict[str, Tensor]:
    """The tensors that the header of a safetensors file names; the size of the file is what it says.

    Raises:
        InputError: the file is cut off, or something else.
    """
    check_file(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(LONGEST_HEADER, size - 8):
            raise InputError(f"{path}: cut off, or no safetensors file; fetch it again")
        text = file.read(length)
    try:
        rows = json.loads(text)
        rows.pop("__metadata__", None)
        tensors = {name: Tensor(str(row["dtype"]), _shape(row["shape"])) for name, row in rows.items()}
        end = max((int(row["data_offsets"][1]) for row in rows.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise InputError(f"{path}: its header cannot be read; fetch the file again") from None
    if size != 8 + length + end:
        raise InputError(
            f"{path}: {size} bytes instead of {8 + length + end}: the download is not complete, fetch it"
            " again"
        )
    return tensors


def _shape(sizes: Any) -> tuple[int, ...]:
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("a size is a whole number")
    return tuple(sizes)


def check_file(path: Path) -> None:
    """Refuse what is no file, and the pointer that Git leaves in the place of a large one.

    Raises:
        InputError: it is one of these, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: no file; give the folder of a Hugging Face model")
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start == _POINTER:
        raise InputError(
            f"{path}: a pointer of Git LFS instead of the file; run `git lfs pull` in the folder"
        )
