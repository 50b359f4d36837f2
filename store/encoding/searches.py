"""Searches as JSON: one object a line, with the version of its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

from store.encoding.fields import (
    COUNT,
    FLAG,
    FLAGS,
    NUMBER,
    NUMBERS,
    OPTIONAL_FLAG,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    OPTIONAL_WHOLE,
    PLAIN,
    TEXT,
    WHOLE,
    WHOLES,
    Form,
    Forms,
    choice,
    dump,
    many,
)
from store.encoding.lines import parse_line, with_checksum
from store.errors import StoreError, UnstorableError
from store.events import (
    FORMAT,
    BackedUp,
    Cost,
    Critiqued,
    Event,
    Expanded,
    Extended,
    Header,
    Result,
    RolledOut,
    SearchRecord,
    Selected,
    Step,
    Stopped,
    StopReason,
    Valued,
    Verified,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_STEP = Forms(Step, text=TEXT, tokens=many(int), logprob=OPTIONAL_NUMBER, ended=FLAG)
_COST = Forms(Cost, policy=COUNT, critic=COUNT, prompt=COUNT, value=COUNT, calls=COUNT)

STEPS = Form(
    frozenset({list}),
    lambda rows: tuple(map(_STEP.read, rows)),
    lambda steps: list(map(_STEP.write, steps)),
)
COST = Form(frozenset({dict}), _COST.read, _COST.write)
REASON = choice(*get_args(StopReason))

_EVENTS: dict[type, tuple[str, Forms[Any]]] = {
    Selected: ("selected", Forms(Selected, node=WHOLE, running=WHOLES, exhausted=WHOLES, cost=COST)),
    Critiqued: (
        "critiqued",
        Forms(Critiqued, node=WHOLE, finished=FLAG, answer=OPTIONAL_TEXT, advice=OPTIONAL_TEXT, cost=COST),
    ),
    Expanded: ("expanded", Forms(Expanded, node=WHOLE, steps=STEPS, samples=WHOLES, cost=COST)),
    Extended: ("extended", Forms(Extended, node=WHOLE, steps=STEPS, cost=COST)),
    Valued: ("valued", Forms(Valued, nodes=WHOLES, values=NUMBERS, cost=COST)),
    RolledOut: (
        "rolled-out",
        Forms(
            RolledOut,
            node=WHOLE,
            steps=STEPS,
            values=NUMBERS,
            best=NUMBER,
            value=NUMBER,
            visits=WHOLE,
            cost=COST,
        ),
    ),
    BackedUp: ("backed-up", Forms(BackedUp, nodes=WHOLES, visits=WHOLES, values=NUMBERS, cost=COST)),
    Verified: ("verified", Forms(Verified, nodes=WHOLES, correct=FLAGS, unverified=WHOLES, cost=COST)),
    Stopped: (
        "stopped",
        Forms(
            Stopped,
            reason=REASON,
            node=OPTIONAL_WHOLE,
            answer=OPTIONAL_TEXT,
            message=OPTIONAL_TEXT,
            cost=COST,
        ),
    ),
}
_KINDS = dict(_EVENTS.values())

_HEADER = Forms(
    Header,
    id=TEXT,
    phase=TEXT,
    problem=TEXT,
    question=TEXT,
    oracle=OPTIONAL_TEXT,
    method=TEXT,
    answer_by=TEXT,
    seed=WHOLE,
    policy=TEXT,
    value=OPTIONAL_TEXT,
    budget=OPTIONAL_WHOLE,
    settings=PLAIN,
    worker=OPTIONAL_TEXT,
)
_RESULT = Forms(
    Result,
    answer=OPTIONAL_TEXT,
    correct=OPTIONAL_FLAG,
    reason=REASON,
    cost=COST,
    nodes=WHOLE,
    finished=WHOLE,
    seconds=NUMBER,
)


def encode_search(record: SearchRecord) -> bytes:
    """A finished search as one line of JSON, without the newline.

    Raises:
        UnstorableError: it holds a value that :func:`decode_search` would refuse: a number that is not finite
            or too large, a negative cost, or something that JSON does not have.
    """
    header = record.header
    try:
        if not -(2**63) <= header.seed < 2**63:
            raise ValueError(f"seed {header.seed} does not fit in 64 bits with a sign")
        row = {
            "format": FORMAT,
            "header": _HEADER.write(header),
            "events": [event_row(event) for event in record.events],
            "result": _RESULT.write(record.result),
        }
        return with_checksum(dump(row))
    except (ValueError, TypeError, AttributeError, RecursionError, StoreError) as error:
        raise UnstorableError(f"tree {header.id!r} cannot be stored: {error}") from error


def event_row(event: Event) -> dict[str, Any]:
    """An event as JSON values. Raises ValueError for a value that no file can hold."""
    kind, forms = _EVENTS[type(event)]
    return {"kind": kind, **forms.write(event)}


def decode_search(data: bytes, where: str = "search") -> SearchRecord:
    """The search in a line of JSON; ``where`` names the line in an error.

    Raises:
        StoreError: it is not JSON, its checksum is wrong, or it is no search or of a format that this version
            does not know.
    """
    try:
        row = parse_line(data)
    except ValueError as error:
        raise StoreError(f"{where}: {error}") from error
    return search_from(row, where)


def search_from(row: Any, where: str) -> SearchRecord:
    """The search in the JSON object of a line. Raises :class:`StoreError` like :func:`decode_search`."""
    return read_object(row, where, "search", _search)


def header_from(row: Any, where: str) -> Header:
    """The header of the search in the JSON object of a line, whose events are not looked at.

    Raises:
        StoreError: it is no search, or of a format that this version does not know.
    """
    return read_object(row, where, "search", lambda row: _HEADER.read(row.get("header")))


def search_id(row: Any) -> str | None:
    """The tree id in the JSON object of a line, without reading the rest; None where there is none."""
    header = row.get("header") if type(row) is dict else None
    found = header.get("id") if type(header) is dict else None
    return found if type(found) is str else None


def search_failed(row: Any) -> bool:
    """Whether the JSON object of a line is a search that an engine ended."""
    result = row.get("result") if type(row) is dict else None
    return type(result) is dict and result.get("reason") == "failed"


def _search(row: dict[str, Any]) -> SearchRecord:
    header, events, result = (row.pop(name, None) for name in ("header", "events", "result"))
    if row or type(events) is not list:
        raise ValueError(f"unknown fields {', '.join(row)}" if row else "it has no list of events")
    return SearchRecord(_HEADER.read(header), tuple(map(event_from, events)), _RESULT.read(result))


def event_from(row: Any) -> Event:
    """What :func:`event_row` gave, which is emptied. Raises ValueError for anything else."""
    kind = row.pop("kind", None) if type(row) is dict else None
    forms = _KINDS.get(kind) if type(kind) is str else None
    if forms is None:
        raise ValueError("an event has no known kind")
    event: Event = forms.read(row)
    return event


def read_object(row: Any, where: str, what: str, read: Callable[[dict[str, Any]], T]) -> T:
    """Read the JSON object of a line, after a look at its format.

    Raises:
        StoreError: it is not a ``what``, or of a format that this version does not know.
    """
    version = row.get("format") if type(row) is dict else None
    if type(version) is not int:
        raise StoreError(f"{where}: no {what} of this program")
    if version != FORMAT:
        raise StoreError(f"{where}: format {version}, this version reads {FORMAT}; {_remedy(version)}")
    try:
        return read({name: member for name, member in row.items() if name != "format"})
    except ValueError as error:
        raise StoreError(f"{where}: not a {what}: {error}") from error


def _remedy(version: int) -> str:
    """What to do about a line of another format: a newer program reads a newer format alone."""
    return "use a newer restmcts" if version > FORMAT else "no restmcts writes that: the line is damaged"
