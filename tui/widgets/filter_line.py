"""The line in which a filter is typed, and how its words are completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from store.filter_text import completed
from tui.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class FilterSuggester(Suggester):
    """Completes the last word of a filter; ``known`` has the values of words by their names."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.known: Mapping[str, Sequence[str]] = {}

    async def get_suggestion(self, value: str) -> str | None:
        found = completed(value, self.known)
        # What the store holds may be unfit for a terminal; such names can be typed.
        return None if found is None or safe_text(found, one_line=True) != found else found


class FilterLine(Input):
    """A filter as text, with the rest of its last word in grey; escape and enter go back to the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,down", "leave", "To the table", show=False, id="filter.leave"),
    ]

    class Left(Message):
        """The user is done with the line."""

    def __init__(self, name: str) -> None:
        self.words = FilterSuggester()
        super().__init__(
            placeholder="/ filter: words, method:mcts solved:no depth>6 is:lost step:…",
            suggester=self.words,
            compact=True,
            id=name,
        )

    def show(self, text: str) -> None:
        """Show a filter that was not typed here."""
        shown = safe_text(text, one_line=True)
        if shown != self.value:
            with self.prevent(Input.Changed):
                self.value = shown
            self.cursor_position = len(shown)

    def action_leave(self) -> None:
        self.post_message(self.Left())
