"""Lines of styled text, free of any toolkit: what the panes of the replay show."""

from __future__ import annotations

from typing import Literal

Style = Literal["", "dim", "bold", "title", "good", "bad", "mark", "value"]
"""How a span looks; ``value`` is coloured by the number that follows it in a :data:`Span`."""

Span = tuple[str, Style, float]
"""A text, its style, and the value in [0, 1] that colours it when the style is ``value``."""

Line = tuple[Span, ...]
"""Spans on one line. A line of one span is wrapped to the width; others are cut at it."""


def line(*parts: str | tuple[str, Style] | Span) -> Line:
    """A line from texts, (text, style) pairs and whole spans."""
    return tuple(_span(part) for part in parts)


def _span(part: str | tuple[str, Style] | Span) -> Span:
    if isinstance(part, str):
        return (part, "", 0.0)
    return (part[0], part[1], 0.0) if len(part) == 2 else part


def block(text: str, style: Style = "") -> list[Line]:
    """The lines of a safe text of several lines."""
    return [line((row, style)) for row in text.split("\n")]
