"""Making untrusted text fit for a terminal: visible controls, wrapping, short numbers."""

from __future__ import annotations

import re

from rich.cells import cell_len, get_character_cell_size

from store.joiners import split_at_joiners

DISPLAY_LIMIT = 50_000
"""Characters of one text that are ever laid out; the rest is counted, not shown."""

_TAB = "    "
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_STACKED = re.compile(
    "([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]{3})"
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
)


def safe_text(text: str, *, one_line: bool = False, limit: int = DISPLAY_LIMIT) -> str:
    """Text that a terminal only shows: nothing in it moves the cursor, colours or reorders.

    C0 controls and DEL become their pictures (``\\x1b`` becomes ``␛``), other controls, invisible format
    characters and lone surrogates become ``<u202e>``, but for joiners that a script needs; a tab becomes
    spaces; more than three combining marks on a character are dropped. Line ends stay, unless ``one_line``,
    which shows them as ``↵``. Texts longer than ``limit`` characters are cut and end in a note of what is
    missing (or ``…``).
    """
    rest = len(text) - limit
    shown = text[:limit] if rest > 0 else text
    if not (shown.isascii() and shown.isprintable()):
        parts = split_at_joiners(shown)
        parts[::2] = [_UNSAFE.sub(_visible, part) for part in parts[::2]]
        shown = _STACKED.sub(r"\1", "".join(parts))
    if one_line:
        return shown.replace("\n", "↵") + ("…" if rest > 0 else "")
    return shown + f"\n… {rest:,} more characters" if rest > 0 else shown


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x09:
        return _TAB
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return f"<{'x' if code < 0x100 else 'u'}{code:02x}>"


def label(text: str | None, width: int) -> str:
    """``text`` on one line, cut with ``…`` to at most ``width`` cells; ``-`` for None."""
    if text is None:
        return "-"
    shown = safe_text(text.strip(), one_line=True, limit=4 * width)
    if cell_len(shown) <= width:
        return shown
    # A joiner that has lost what it joins would join the mark.
    return shown[: _fitting(shown, 0, width - 1)].rstrip("\u200c\u200d") + "…"


def wrap(text: str, width: int) -> list[str]:
    """The rows of ``text`` in ``width`` cells, broken at spaces where possible."""
    rows: list[str] = []
    for line in text.split("\n"):
        rows.extend(_wrap_line(line, max(width, 1)))
    return rows


def _wrap_line(line: str, width: int) -> list[str]:
    rows: list[str] = []
    start = 0
    while start + _fitting(line, start, width) < len(line):
        end = start + max(_fitting(line, start, width), 1)
        space = line.rfind(" ", start + 1, end + 1)
        cut = end if space < 0 else space
        rows.append(line[start:cut])
        start = cut if space < 0 else cut + 1
    rows.append(line[start:])
    return rows


def _fitting(line: str, start: int, width: int) -> int:
    """How many characters from ``start`` fit in ``width`` cells."""
    part = line[start : start + width + 1]
    if part.isascii():
        return min(len(part), width)
    cells = 0
    for count, character in enumerate(line[start : start + 4 * width]):
        cells += get_character_cell_size(character)
        if cells > width:
            return count
    return len(line[start : start + 4 * width])


def count(number: int) -> str:
    """A count in at most six cells: ``950``, ``12.3k``, ``4.1M``."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if number >= size:
            scale = 1000 if unit == "k" else size
            return f"{number / scale:.1f}{unit}"
    return f"{number:,}"


def decimal(number: float | None, digits: int = 3) -> str:
    """A number with ``digits`` decimals; ``-`` for None."""
    return "-" if number is None else f"{number:.{digits}f}"


def seconds(duration: float | None) -> str:
    """A duration: ``-``, ``3.2 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if duration is None:
        return "-"
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def verdict(correct: bool | None) -> str:
    """``✓`` correct, ``✗`` wrong, ``·`` not verified."""
    return {True: "✓", False: "✗", None: "·"}[correct]
