"""Fewer bytes for a terminal far away: a style is sent where it changes, not with every piece of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE = re.compile(r"\x1b\[([0-9;:]*)m")
_MOVES = re.compile(r"(?:\x1b\[[0-9]+;[0-9]+H|[\r\n])+")
_BLANK = re.compile(r" +")

_FRONT = {*range(30, 38), 39, *range(90, 98)}
_BACK = {*range(40, 48), 49, *range(100, 108)}
_LONG = {38: False, 48: True}
"""What begins a colour of several numbers, and whether it is that behind the text."""

_OFF = {1: 22, 2: 22, 3: 23, 4: 24, 5: 25, 6: 25, 7: 27, 8: 28, 9: 29}
"""The attributes of text that a terminal knows, and what ends each."""

_ON_BLANKS = frozenset({4, 7, 9})
"""Attributes that are to be seen where there is no letter."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Attributes and colours, as the numbers that set them; an empty colour is that of the terminal."""

    attributes: frozenset[int] = frozenset()
    front: str = ""
    back: str = ""


_PLAIN = _Look()


def sparing(data: str) -> str:
    """``data`` for a terminal, as text that looks the same and is shorter.

    Before it and after it the terminal is to have no style. What holds a style that is not known here is left
    as it is.
    """
    shown = wanted = _PLAIN
    parts: list[str] = []
    try:
        for codes, text in _pieces(data):
            wanted = _applied(wanted, codes)
            if text and not _MOVES.fullmatch(text):
                now = _on_blanks(shown, wanted) if _BLANK.fullmatch(text) else wanted
                parts.append(_change(shown, now))
                shown = now
            parts.append(text)
    except ValueError:
        return data
    return "".join([*parts, _change(shown, wanted)])


def _pieces(data: str) -> Iterator[tuple[str | None, str]]:
    """Each text of ``data`` with the numbers that set its style; None for what is before the first ones."""
    first, *rest = _STYLE.split(data)
    yield None, first
    yield from zip(rest[::2], rest[1::2], strict=True)


@lru_cache(maxsize=4096)
def _applied(look: _Look, codes: str | None) -> _Look:
    """What the numbers of a sequence make of a look. Raises ValueError for one that is not known here."""
    if codes is None:
        return look
    numbers = [int(number or "0") for number in codes.split(";")]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            look = _PLAIN
        elif number in _OFF:
            look = _Look(look.attributes | {number}, look.front, look.back)
        elif number in _LONG:
            size = {2: 4, 5: 2}.get(numbers[0] if numbers else 0, 0)
            if not size or len(numbers) < size:
                raise ValueError(f"colour {codes}")
            look = _coloured(look, _LONG[number], ";".join(map(str, [number, *numbers[:size]])))
            del numbers[:size]
        elif number in _FRONT or number in _BACK:
            look = _coloured(look, number in _BACK, "" if number in (39, 49) else str(number))
        else:
            raise ValueError(f"style {number}")
    return look


def _coloured(look: _Look, back: bool, colour: str) -> _Look:
    return _Look(look.attributes, *((look.front, colour) if back else (colour, look.back)))


def _on_blanks(shown: _Look, wanted: _Look) -> _Look:
    """The look that is nearest to ``shown`` in which blanks are as in ``wanted``."""
    if (shown.attributes | wanted.attributes) & _ON_BLANKS:
        return wanted
    return _Look(shown.attributes, shown.front, wanted.back)


def _change(old: _Look, new: _Look) -> str:
    """What makes ``new`` of ``old``: what is different, or all of it after a reset, whatever is shorter."""
    if old == new:
        return ""
    if new == _PLAIN:
        return "\x1b[m"
    off = {_OFF[attribute] for attribute in old.attributes - new.attributes}
    kept = {attribute for attribute in old.attributes if _OFF[attribute] not in off}
    codes = [*map(str, sorted(off)), *map(str, sorted(new.attributes - kept))]
    codes += [new.front or "39"] if new.front != old.front else []
    codes += [new.back or "49"] if new.back != old.back else []
    whole = ["0", *map(str, sorted(new.attributes)), *filter(None, (new.front, new.back))]
    return f"\x1b[{min(';'.join(codes), ';'.join(whole), key=len)}m"
