"""Between dataclasses and JSON objects: one table of fields a class, used in both directions.

A field that has its default value is left out. Reading checks every type, so that a damaged or foreign
file is refused here and not somewhere in the middle of a search.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from store.errors import StoreError
from store.files.plain import leads_out

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)
_ONLY_INT = frozenset({int})


@dataclass(frozen=True, slots=True)
class Form:
    """How a field is read from JSON, and how it is written where its value is no JSON yet.

    Both raise ValueError for what does not fit. A field without ``read`` is taken as it is, if it is of
    one of ``types``.
    """

    types: frozenset[type]
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


class Forms(Generic[T]):
    """The JSON object of a dataclass, field by field; fields without a form are not written."""

    def __init__(self, cls: Callable[..., T], **forms: Form) -> None:
        self._cls = cls
        self._readers = {name: (form.types, form.read) for name, form in forms.items()}
        self._writers = [
            (field.name, _default(field), forms[field.name].write)
            for field in fields(cls)  # type: ignore[arg-type]
            if field.name in forms
        ]

    def write(self, value: T) -> dict[str, Any]:
        """The JSON object for ``value``."""
        row = {}
        for name, default, write in self._writers:
            member = getattr(value, name)
            if member is default or member == default:
                continue
            row[name] = member if write is None or member is None else write(member)
        return row

    def read(self, row: Any, **more: Any) -> T:
        """The value of a JSON object; ``more`` are the fields without a form.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type.
        """
        if type(row) is not dict:
            raise ValueError(f"{_short(row)} is no object")
        readers = self._readers
        try:
            for name, member in row.items():
                types, read = readers[name]
                if type(member) not in types:
                    raise ValueError(f"{name} is {_short(member)}, not {_names(types)}")
                more[name] = member if read is None else read(member)
            return self._cls(**more)
        except KeyError as error:
            raise ValueError(f"unknown field {error}") from error
        except TypeError as error:
            raise ValueError(str(error).replace("__init__() ", "")) from error


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()


def _one(*types: type, write: Callable[[Any], Any] | None = None) -> Form:
    """A value of one of ``types``."""
    return Form(frozenset(types), None, write)


def many(*types: type, write: Callable[[Any], Any] | None = None) -> Form:
    """A list of values of ``types``; read as a tuple."""
    allowed = frozenset(types)

    def read(value: list[Any]) -> tuple[Any, ...]:
        if not allowed.issuperset(map(type, value)):
            raise ValueError(f"{_short(value)} is no list of {_names(allowed)}")
        return tuple(value)

    return Form(frozenset({list}), read, write)


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError(f"{_short(value)} is no role: use letters, digits and dashes")
    return value


def _inside(value: str) -> str:
    if leads_out(value):
        raise ValueError(f"{_short(value)} leads out of the run")
    return value


def _parent(value: str | None) -> str | None:
    """A base model may be any folder, but none that is reached from the run."""
    return value if value is None or value.startswith("/") else _inside(value)


def choice(*values: str) -> Form:
    """One of ``values``."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"{_short(value)} is not one of {', '.join(values)}")
        return value

    return Form(frozenset({str}), read)


def _whole(value: int | None) -> int | None:
    # JSON goes to 2**64, the columns of SQLite do not.
    if value is not None and value >= 2**63:
        raise ValueError(f"{value} is too large")
    return value


def _wholes(value: list[Any]) -> tuple[int, ...]:
    if not _ONLY_INT.issuperset(map(type, value)) or max(value, default=0) >= 2**63:
        raise ValueError(f"{_short(value)} is no list of int")
    return tuple(value)


def finite(value: float) -> float:
    """A writer for a number. JSON has no NaN and no infinity."""
    if not isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return value


def all_finite(values: tuple[float, ...]) -> tuple[float, ...]:
    """A writer for numbers."""
    if not all(map(isfinite, values)):
        raise ValueError(f"{_short(values)} has a number that is not finite")
    return values


def some_finite(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """A writer for numbers, None among them."""
    all_finite(tuple(value for value in values if value is not None))
    return values


def plain(value: Any) -> Any:
    """A writer for settings and the like: JSON values, nested, whose numbers are finite."""
    if type(value) is float:
        finite(value)
    elif isinstance(value, dict):
        for member in value.values():
            plain(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            plain(member)
    return value


NONE = type(None)
TEXT = _one(str)
ROLE = Form(frozenset({str}), _role)
INSIDE = Form(frozenset({str}), _inside)
PARENT = Form(frozenset({str, NONE}), _parent)
OPTIONAL_TEXT = _one(str, NONE)
TEXTS = many(str)
WHOLE = Form(frozenset({int}), _whole)
OPTIONAL_WHOLE = Form(frozenset({int, NONE}), _whole)
WHOLES = Form(frozenset({list}), _wholes)
FLAG = _one(bool)
OPTIONAL_FLAG = _one(bool, NONE)
FLAGS = many(bool)
NUMBER = _one(float, int, write=finite)
OPTIONAL_NUMBER = _one(float, int, NONE, write=finite)
NUMBERS = many(float, int, write=all_finite)
OPTIONAL_NUMBERS = many(float, int, NONE, write=some_finite)
PLAIN = _one(dict, write=plain)


def dump(row: dict[str, Any]) -> bytes:
    """``row`` as one line of JSON. Text that is no Unicode gets its lone surrogates written as ``\\udxxx``.

    Raises:
        StoreError: a value that JSON does not have.
    """
    try:
        return orjson.dumps(row)
    except orjson.JSONEncodeError:
        pass
    try:
        return orjson.dumps(_unicode(row))
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise StoreError(f"cannot be written as JSON: {error}") from error


def _unicode(value: Any) -> Any:
    if isinstance(value, str):
        # The lone surrogates stay apart from each other: two steps that differed still do.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_unicode(key): _unicode(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unicode(member) for member in value]
    return value


def _names(types: frozenset[type]) -> str:
    return " or ".join(sorted("null" if cls is type(None) else cls.__name__ for cls in types))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
