"""The common ground of all settings, and what is said about wrong ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from restmcts.errors import InputError


class Settings(BaseModel):
    """Immutable settings; a key that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def listed(value: Any) -> Any:
    """The value of a key that holds a list, where a single item may be written without brackets."""
    return [value] if isinstance(value, str | int | float) else value


_USERINFO = re.compile(r"//[^\s/]*@")


def without_userinfo(text: str) -> str:
    """``text`` without the user names and passwords of the addresses in it (``http://name:password@host``)."""
    return _USERINFO.sub("//", text)


Checked = TypeVar("Checked", bound=Settings)


def checked(model: type[Checked], values: Mapping[str, Any], where: str) -> Checked:
    """The settings that ``values`` describe.

    Args:
        model: the kind of settings.
        values: what the user wrote, possibly nested.
        where: how the message names the place (a file, a table of a file, an option).

    Raises:
        InputError: an unknown key (the nearest one is named), a missing one or a wrong value.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"{where}: {_explanation(error, model)}") from None


def _explanation(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, path[:-1]))
        close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"unknown key {key!r}: {hint}"
    if first["type"] == "missing":
        return f"missing key {key!r}"
    text = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], Mapping):
        return f"{key or 'settings'}: {text}"
    shown = without_userinfo(repr(first["input"]))
    return f"{key or 'settings'}: {text} (got {shown if len(shown) <= 80 else shown[:77] + '...'})"


def _fields_at(model: type[BaseModel], path: list[str]) -> set[str]:
    """The keys of the settings nested at ``path`` below ``model``."""
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            break
        nested = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        if not nested:
            break
        model = nested[0]
    return set(model.model_fields)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
