"""What a run was started with: its configuration and its environment, each written once."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.fields import plain
from store.errors import InputError, StoreError
from store.files.atomic import replace_file
from store.files.plain import read_plain

if TYPE_CHECKING:
    from pathlib import Path

    from store.files.layout import RunLayout

_SHOWN = 12


def write_config(layout: RunLayout, config: str, *, new: bool) -> None:
    """Write ``run.toml`` of a run that is ``new``, or see that it is the same.

    Raises:
        InputError: it is another one; the message shows the lines that differ.
        StoreError: it cannot be written, or is gone.
    """
    path = layout.config
    try:
        tomllib.loads(config)
        data = config.encode("utf-8")
    except ValueError as error:
        raise InputError(f"the configuration of run {layout.run!r} is not TOML: {error}") from error
    if not path.exists():
        _write_once(path, data, new=new)
        return
    before = read_plain(path).decode("utf-8", "replace")
    if before != config:
        raise InputError(
            f"run {layout.run!r} was started with another configuration ({path}); "
            f"choose another run name, or undo these changes:\n{difference(before, config)}"
        )


def difference(before: str, after: str) -> str:
    """The lines of two configurations that differ, the first ones of them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "run.toml", "now", "", "", 0, "")
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    more = [f"… and {len(changed) - _SHOWN} more lines"] if len(changed) > _SHOWN else []
    return "\n".join([*changed[:_SHOWN], *more])


def write_environment(layout: RunLayout, environment: dict[str, Any], *, new: bool) -> bool:
    """Write ``env.json`` of a run that is ``new``; say whether what is there is another one.

    Raises:
        StoreError: it cannot be written, or is gone.
    """
    path = layout.environment
    try:
        data = orjson.dumps(plain(environment), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path}: the environment cannot be stored: {error}") from error
    if path.exists():
        return read_plain(path) != data
    _write_once(path, data, new=new)
    return False


def _write_once(path: Path, data: bytes, *, new: bool) -> None:
    if not new:
        raise StoreError(f"{path}: missing, but the run has begun; restore it from a copy")
    replace_file(path, [data])
