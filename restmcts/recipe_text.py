"""The text of a recipe and ``key=value`` pairs over it, before they are checked."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from restmcts.errors import InputError


def nested_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """``key=value`` pairs as nested tables."""
    values: dict[str, Any] = {}
    for override in overrides:
        path, value = parse_override(override)
        put(values, path, value, override)
    return values


def parse_override(override: str) -> tuple[list[str], Any]:
    """The path and the value of ``a.b=value``; the value is TOML, or plain text where it is not.

    Raises:
        InputError: it is not of that form.
    """
    key, separator, text = override.partition("=")
    if not separator or not all(key.split(".")):
        raise InputError(f"-o {override!r}: write key=value, for example -o seed=2")
    try:
        return key.split("."), tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key.split("."), text


def parsed(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text that was read from ``where``. Raises :class:`InputError` if it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{where}: nested too deeply") from None


def shipped_recipes() -> dict[str, str]:
    """The text of each recipe that comes with the package, by name; see ``paper/`` and ``cluster/``."""
    package = Path(str(files("restmcts")))
    # Inside the wheel the recipes lie in the package; in a checkout they are beside it.
    folder = next(found for found in (package / "configs", package.parent / "configs") if found.is_dir())
    paths = [
        found
        for place in ("*.toml", "paper/*.toml", "cluster/*.toml")
        for found in sorted(folder.glob(place))
    ]
    return {path.relative_to(folder).with_suffix("").as_posix(): path.read_text("utf-8") for path in paths}


def recipe_text(name_or_path: str) -> tuple[str, str, Path | None]:
    """The text of a recipe, what messages call it, and the folder that its paths are relative to.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = Path(name_or_path).expanduser()
    recipes = shipped_recipes()
    # A folder may well have the name of a recipe: that of its model, for example.
    if path.suffix == ".toml" or path.is_file() or (path.exists() and name_or_path not in recipes):
        try:
            return path.read_text("utf-8-sig"), str(path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot read the recipe: {error}") from None
    if name_or_path not in recipes:
        known = ", ".join(sorted(recipes))
        raise InputError(f"no recipe {name_or_path!r}: give a .toml file or one of: {known}")
    return recipes[name_or_path], f"recipe {name_or_path}", None


def put(values: dict[str, Any], path: Sequence[str], value: Any, override: str) -> None:
    """Put the value of an override at its path in nested tables.

    Raises:
        InputError: something on the path is no table.
    """
    *tables, last = path
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise InputError(f"-o {override!r}: {table!r} is not a table")
        values = inner
    values[last] = value
