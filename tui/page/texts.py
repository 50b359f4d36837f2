"""The texts of a page, each once; nothing in them acts."""

from __future__ import annotations

from tui.text import safe_text


class Texts:
    """Texts by number. What a terminal would obey is shown, so that it can be copied from the page safely.

    Attributes:
        all: the texts in the order of their numbers.
    """

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of ``text``; texts of more than 50,000 characters are cut with a note."""
        if text not in self._numbers:
            self._numbers[text] = len(self.all)
            self.all.append(safe_text(text.rstrip("\n")))
        return self._numbers[text]


def short(number: float) -> float:
    """A figure with as many digits as the page may show: five that count."""
    return float(f"{number:.5g}")
