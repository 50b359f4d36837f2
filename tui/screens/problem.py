"""One line about what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.text import safe_text

if TYPE_CHECKING:
    from textual.app import ComposeResult


class ProblemScreen(ModalScreen[None]):
    """Shows ``reason`` until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,space,q", "dismiss", "Close", key_display="esc", id="problem.close"),
    ]

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = _shown(reason)

    def tells(self, reason: str) -> bool:
        """Whether ``reason`` is what this dialog was opened with."""
        return self.reason == _shown(reason)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog problem"):
            yield Static(Content(self.reason), id="reason")
            yield Static(Content("esc closes this"), classes="hint")


def _shown(reason: str) -> str:
    return safe_text(reason, one_line=True, limit=1000)
