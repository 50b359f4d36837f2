"""Between dataclasses and JSON objects: one table of fields a class, used in both directions.

A field that has its default value is left out. Reading checks every type, so that a damaged or foreign
file is refused here and not somewhere in the middle of a search. Writing checks the same, so that nothing is
written that could not be read again.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import orjson

from store.errors import StoreError
from store.files.plain import leads_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)
_ONLY_FLOAT = frozenset({float})
_LISTS = (list, tuple)


@dataclass(frozen=True, slots=True)
class Form:
    """How a field is read from JSON, and how it is written.

    Both raise ValueError for what does not fit. A field without ``read`` is taken as it is, if it is of
    one of ``types``; likewise it is written as it is without ``write``.
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
            (field.name, _default(field), forms[field.name].types, forms[field.name].write)
            for field in fields(cls)  # type: ignore[arg-type]
            if field.name in forms
        ]

    def write(self, value: T) -> dict[str, Any]:
        """The JSON object for ``value``.

        Raises:
            ValueError: a field is of the wrong type, or out of its range.
        """
        row = {}
        for name, default, types, write in self._writers:
            member = getattr(value, name)
            if member is default or member == default:
                continue
            if write is not None and member is not None:
                row[name] = write(member)
            elif type(member) in types:
                row[name] = member
            else:
                raise ValueError(f"{name} is {_short(member)}, not {_names(types)}")
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


def _one(*types: type, check: Callable[[Any], Any] | None = None) -> Form:
    """A value of one of ``types`` that passes ``check``."""
    return Form(frozenset(types), check, check)


def many(*types: type, check: Callable[[Any], Any] | None = None) -> Form:
    """A list of values of ``types`` that passes ``check``; read as a tuple."""
    allowed = frozenset(types)

    def checked(value: Any) -> tuple[Any, ...]:
        if type(value) not in _LISTS or not allowed.issuperset(map(type, value)):
            raise ValueError(f"{_short(value)} is no list of {_names(allowed)}")
        if check is not None:
            check(value)
        return tuple(value)

    return Form(frozenset({list}), checked, checked)


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

    def chosen(value: str) -> str:
        if value not in values:
            raise ValueError(f"{_short(value)} is not one of {', '.join(values)}")
        return value

    return _one(str, check=chosen)


def _whole(value: int | None) -> int | None:
    # JSON goes to 2**64, the columns of SQLite do not.
    if value is not None and (type(value) is not int or not -(2**63) <= value < 2**63):
        raise ValueError(f"{_short(value)} is too large, or no int")
    return value


def _count(value: int) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{_short(value)} is no count")
    return value


def _wholes(values: Sequence[int]) -> None:
    if max(values, default=0) >= 2**63 or min(values, default=0) < -(2**63):
        raise ValueError(f"{_short(values)} has a number that is too large")


def _number(value: float | None) -> float | None:
    """A number that JSON and SQLite have, or None."""
    if type(value) is int:
        return _whole(value)
    if value is not None and not isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return value


def _numbers(values: Sequence[float | None]) -> None:
    if not _ONLY_FLOAT.issuperset(map(type, values)):
        for value in values:
            _number(value)
        return
    only = cast("Sequence[float]", values)
    # A sum of finite numbers may be too large; that of others is never finite.
    if not isfinite(sum(only)) and not all(map(isfinite, only)):
        raise ValueError(f"{_short(values)} has a number that is not finite")


def plain(value: Any) -> Any:
    """Settings and the like, as they are: JSON values, nested.

    Raises:
        ValueError: a number is not finite.
    """
    if type(value) is float:
        _number(value)
    elif isinstance(value, dict):
        for member in value.values():
            plain(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            plain(member)
    return value


NONE = type(None)
TEXT = _one(str)
ROLE = _one(str, check=_role)
INSIDE = _one(str, check=_inside)
PARENT = Form(frozenset({str, NONE}), _parent, None)
OPTIONAL_TEXT = _one(str, NONE)
TEXTS = many(str)
WHOLE = _one(int, check=_whole)
OPTIONAL_WHOLE = _one(int, NONE, check=_whole)
COUNT = Form(frozenset({int}), _whole, _count)
"""A cost. Only what is written has to be 0 or more: files of others are read as they are."""
WHOLES = many(int, check=_wholes)
FLAG = _one(bool)
OPTIONAL_FLAG = _one(bool, NONE)
FLAGS = many(bool)
NUMBER = _one(float, int, check=_number)
OPTIONAL_NUMBER = _one(float, int, NONE, check=_number)
NUMBERS = many(float, int, check=_numbers)
OPTIONAL_NUMBERS = many(float, int, NONE, check=_numbers)
PLAIN = Form(frozenset({dict}), None, plain)


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
