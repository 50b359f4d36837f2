"""Asks for the number of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult


class PositionScreen(ModalScreen[int | None]):
    """Gives back a number from 0 to ``last``, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="position.close"),
    ]

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog position"):
            yield Static(Content(f"Go to event (0 to {self._last})"))
            yield Input(type="integer", compact=True, id="position")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.replace("_", "")
        number = int(text) if text.lstrip("+-").isdecimal() else None
        self.dismiss(number)

    def action_cancel(self) -> None:
        self.dismiss(None)
