"""The keys that work right now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.styled import Line, line
from tui.widgets.lines import LinesPane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

_KEYS = 20


class HelpScreen(ModalScreen[None]):
    """Lists ``bindings``, the same that the keys and the footer are made of."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", key_display="esc", id="help.close"),
    ]

    def __init__(self, bindings: Sequence[ActiveBinding]) -> None:
        super().__init__()
        self._active = bindings

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog help"):
            yield LinesPane("keys")

    def on_mount(self) -> None:
        keys: dict[str, list[str]] = {}
        for active in self._active:
            if active.binding.description and active.enabled:
                shown = self.app.get_key_display(replace(active.binding, key_display=None))
                keys.setdefault(active.binding.description, []).append(shown)
        lines = [_row(", ".join(dict.fromkeys(names)), text) for text, names in keys.items()]
        self.query_one(LinesPane).show([line(("Keys", "title")), line(), *lines], keep_scroll=False)


def _row(keys: str, description: str) -> Line:
    return line((f"{keys:<{_KEYS}} ", "mark"), description)
