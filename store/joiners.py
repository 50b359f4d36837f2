"""Letters that are no ink: the joiners of Persian, of Indic scripts and of emoji."""

from __future__ import annotations

import re

_SCRIPTS = (
    "\u0620-\u06dc\u06de-\u06ff\u0710-\u074f\u0750-\u077f\u07c0-\u07ff\u0840-\u085f\u0860-\u088f\u08a0-\u0dff"
    "\u0e80-\u0eff\u0f00-\u109f\u1780-\u17ff\u1800-\u180a\u1810-\u18af\u1a20-\u1aaf\u1b00-\u1b7f\ua8e0-\ua8ff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00011000-\U000114ff"
)
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINER = re.compile(f"(?<=[{_SCRIPTS}])[\u200c\u200d](?=[{_SCRIPTS}])|(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])")


def split_at_joiners(text: str) -> list[str]:
    """The parts of a text between the joiners that its scripts need, and these joiners: parts 1, 3, 5 ….

    A joiner (U+200C, U+200D) is needed between letters of a script that writes with it, or between the
    pictures of one emoji. Elsewhere it only makes two texts that look alike differ.
    """
    if text.isascii():
        return [text]
    parts: list[str] = []
    end = 0
    for match in _JOINER.finditer(text):
        parts += [text[end : match.start()], match.group()]
        end = match.end()
    return [*parts, text[end:]]
