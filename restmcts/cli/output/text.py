"""Text of models, stores and users on a terminal: shown, never obeyed."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

from store.joiners import split_at_joiners

_MARK = "\N{REPLACEMENT CHARACTER}"
_IN_ONE_LINE = {"\n": "↵", "\t": " "}


def harmless(text: object) -> str:
    """Text with a replacement mark for everything that a terminal may obey; lines stay lines."""
    return _shown(str(text), {"\n": "\n"})


def visible(text: object, limit: int = 200) -> str:
    """Text in one line, with control characters shown and at most ``limit`` characters."""
    raw = str(text)
    short = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    return _shown(short, _IN_ONE_LINE)


def escaped(text: str) -> str:
    """JSON for standard output: what a terminal may obey is escaped, and what the output has no letter for.

    Line breaks between values stay.
    """
    if not all(line.isprintable() for line in text.split("\n")):
        text = "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(c if c.isascii() else _escape(c) for c in text)
    return text


def say(text: object = "") -> None:
    """Lines on standard output, :func:`harmless`."""
    sys.stdout.write(harmless(text) + "\n")


def complain(text: object) -> None:
    """Lines on standard error, :func:`harmless`; they are lost where that is gone, like a closed terminal."""
    with suppress(OSError):
        print(harmless(text), file=sys.stderr, flush=True)


def note(text: object) -> None:
    """A line on standard error that says what the user should know."""
    complain(f"note: {text}")


def _shown(text: str, kept: dict[str, str]) -> str:
    """Text with a mark for what is not printed, but for the letters in ``kept`` and for joiners in words."""
    if text.isprintable():
        return text
    parts = split_at_joiners(text)
    for place in range(0, len(parts), 2):
        parts[place] = "".join(c if c.isprintable() else kept.get(c, _MARK) for c in parts[place])
    return "".join(parts)


def _escape(character: str) -> str:
    """A character as JSON writes it in ASCII. Outside of strings, JSON has none to escape but line breaks."""
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else json.dumps(character)[1:-1]
