"""Asks for one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.text import safe_text

if TYPE_CHECKING:
    from textual.app import ComposeResult


class PromptScreen(ModalScreen[str | None]):
    """Gives back what was typed after ``question``, or None.

    ``text`` is what stands there first; it comes back as it is where nobody has changed it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Close", id="prompt.close"),
    ]

    def __init__(self, question: str, text: str = "") -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._shown = safe_text(text, one_line=True)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog prompt"):
            yield Static(Content(self._question))
            yield Input(self._shown, compact=True, id="prompt")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss((self._text if event.value == self._shown else event.value.strip()) or None)

    def action_cancel(self) -> None:
        self.dismiss(None)
