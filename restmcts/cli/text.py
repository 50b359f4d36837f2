"""Text of models, stores and users on a terminal: shown, never obeyed."""

from __future__ import annotations

import json
import sys

_MARK = "\N{REPLACEMENT CHARACTER}"


def harmless(text: object) -> str:
    """Text with a replacement mark for everything that a terminal may obey; lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else _MARK for c in str(text))


def visible(text: object, limit: int = 200) -> str:
    """Text in one line, with control characters shown and at most ``limit`` characters."""
    raw = str(text)
    short = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    return "".join(c if c.isprintable() else {"\n": "↵", "\t": " "}.get(c, _MARK) for c in short)


def escaped(text: str) -> str:
    """JSON with everything escaped that a terminal may obey; line breaks between values stay."""
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def say(text: object = "") -> None:
    """Lines on standard output, :func:`harmless`."""
    sys.stdout.write(harmless(text) + "\n")


def complain(text: object) -> None:
    """Lines on standard error, :func:`harmless`."""
    print(harmless(text), file=sys.stderr, flush=True)


def _escape(character: str) -> str:
    """A character as JSON writes it in ASCII. Outside of strings, JSON has none to escape but line breaks."""
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else json.dumps(character)[1:-1]
