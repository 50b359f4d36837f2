"""Asks for one of several names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult
    from textual.events import Key


class ChoiceScreen(ModalScreen[str | None]):
    """Gives back the key of one of ``choices``, which are shown by their values, or None.

    A letter goes to the next choice that begins with it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="choice.close"),
    ]

    def __init__(self, question: str, choices: Mapping[str, str], chosen: str | None = None) -> None:
        super().__init__()
        self._question = question
        self._choices = choices
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        options = [Option(Content(text), id=key) for key, text in self._choices.items()]
        with Vertical(classes="dialog choice"):
            yield Static(Content(self._question))
            yield OptionList(*options, id="choices", compact=True)

    def on_mount(self) -> None:
        keys = list(self._choices)
        if self._chosen in keys:
            self.query_one(OptionList).highlighted = keys.index(self._chosen)

    def on_key(self, event: Key) -> None:
        if event.character is None or not event.character.isalpha():
            return
        options = self.query_one(OptionList)
        names, here = list(self._choices.values()), options.highlighted or 0
        order = [*range(here + 1, len(names)), *range(here + 1)]
        found = (place for place in order if names[place].startswith(event.character))
        options.highlighted = next(found, here)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_cancel(self) -> None:
        self.dismiss(None)
