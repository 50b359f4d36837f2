"""Settings classes as Markdown tables: key, type with its range, default, meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

NO_CELL = "–"
NAMES = {int: "integer", float: "number", str: "text", bool: "`true` or `false`", dict: "table"}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return (
        "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
    )


def default(field: FieldInfo) -> str:
    """The default of a key as it is written in a recipe."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    return code(value)


def code(value: Any) -> str:
    """A value as it is written in a recipe; ``none`` where the key is not set."""
    if value is None:
        return "none"
    if value == "":
        return "empty"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def meaning(model: type[BaseModel], key: str) -> str:
    """The description of a key: its own, or that of the class whose key has only another default here."""
    for kind in model.__mro__:
        if issubclass(kind, BaseModel) and (field := kind.model_fields.get(key)) and field.description:
            return field.description
    raise LookupError(f"{model.__name__}.{key} has no description: write Field(description=...)")


def summary(model: type[BaseModel]) -> str:
    """The docstring of a class, as Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", cleandoc(model.__doc__ or ""))
    return escape(text.replace("``", "`"))


def escape(text: str) -> str:
    """Text in which a star is a star."""
    return text.replace("*", r"\*")


def type_text(field: FieldInfo) -> str:
    """The type of a key with its range, for example ``integer ≥ 1``."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "enum" in extra:
        return _choices(extra["enum"])
    return _with_range(_type_name(field.annotation), field.metadata)


def _with_range(name: str, metadata: Iterable[Any]) -> str:
    limits = {key: getattr(item, key) for item in metadata for key in _LIMITS if hasattr(item, key)}
    below = next((f"{limits[key]} {sign} " for key, sign in _LOWER.items() if key in limits), "")
    above = next((f" {sign} {limits[key]}" for key, sign in _UPPER.items() if key in limits), "")
    multiple = f", a multiple of {limits['multiple_of']}" if "multiple_of" in limits else ""
    if limits.get("min_length"):
        return f"{name}, not empty"
    if below and not above:
        value, sign = below.split()
        return f"{name} {'≥' if sign == '≤' else '>'} {value}{multiple}"
    return f"{below}{name}{above}{multiple}"


_LOWER = {"ge": "≤", "gt": "<"}
_UPPER = {"le": "≤", "lt": "<"}
_LIMITS = ("ge", "gt", "le", "lt", "min_length", "multiple_of")


def _type_name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choices(inner)
    if origin is Annotated:
        extra = next((item.json_schema_extra for item in inner if isinstance(item, FieldInfo)), None)
        return _choices(extra["enum"]) if isinstance(extra, dict) else _type_name(inner[0])
    if origin in (Union, UnionType):
        return next(_type_name(part) for part in inner if part is not type(None))
    if origin is list:
        return "list of tables" if nested(annotation) else f"list of {_type_name(inner[0])}"
    if origin is tuple:
        name = _type_name(inner[0])
        return f"list of {name}" if inner[-1] is Ellipsis else f"{len(inner)} {name}s"
    if nested(annotation):
        return "table"
    return NAMES[origin or annotation]


def _choices(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def nested(annotation: Any) -> type[BaseModel] | None:
    """The settings that a key holds: alone, in a list, or where it may be none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := nested(part))), None)
    return None


def is_table(field: FieldInfo) -> bool:
    """Whether a key is a table of settings, which has rows of its own."""
    return nested(field.annotation) is not None and get_origin(field.annotation) is not list


def own_keys(model: type[BaseModel], base: type[BaseModel]) -> list[str]:
    """The keys of a class that are no tables and that its base has not."""
    fields = model.model_fields.items()
    return [key for key, field in fields if key not in base.model_fields and not is_table(field)]


def keys_table(model: type[BaseModel], prefix: str = "", keys: Iterable[str] | None = None) -> str:
    """The keys of a class that are no tables, or those of ``keys``."""
    rows = [
        [f"`{prefix}{key}`", type_text(field), default(field), meaning(model, key)]
        for key, field in model.model_fields.items()
        if (key in keys if keys is not None else not is_table(field))
    ]
    return table(["key", "type", "default", "meaning"], rows) if rows else ""


def side_by_side(models: Mapping[str, type[BaseModel]], keys: Iterable[str] | None = None) -> str:
    """The keys of several classes, with a column of defaults for each; "–" where a class has no such key."""
    rows = []
    for key in keys or _all_keys(models.values()):
        having = {
            name: model.model_fields[key] for name, model in models.items() if key in model.model_fields
        }
        first = next(iter(having))
        cells = [default(having[name]) if name in having else NO_CELL for name in models]
        rows.append([f"`{key}`", type_text(having[first]), *cells, meaning(models[first], key)])
    return table(["key", "type", *(f"`{name}`" for name in models), "meaning"], rows)


def _all_keys(models: Iterable[type[BaseModel]]) -> Iterator[str]:
    fields = [model.model_fields.items() for model in models]
    return iter(dict.fromkeys(key for items in fields for key, field in items if not is_table(field)))
