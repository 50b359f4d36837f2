"""The keys that work right now, and what the marks of the screen mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen

from tui.styled import Line, line
from tui.text import wrap
from tui.widgets.lines import LinesPane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult

    from tui.legend import Legend

EVERYWHERE = "everywhere."
"""How the ids of bindings begin that all screens have, but not dialogs."""

_KEYS = 16
"""Cells of the first column."""


class HelpScreen(ModalScreen[None]):
    """Lists ``bindings``, the same that the keys and the footer are made of, and explains the ``legend``.

    The keys of the screen come first, then those of its pane that has the focus, then those of all screens.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", key_display="esc", id="help.close"),
    ]

    def __init__(self, bindings: Sequence[ActiveBinding], legend: Legend = ()) -> None:
        super().__init__()
        self._active = bindings
        self._legend = legend

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog help"):
            yield LinesPane("keys")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        pane = self.query_one(LinesPane)
        width = max(pane.scrollable_content_region.width, 2 * _KEYS)
        pane.show(list(self._lines(width)), keep_scroll=True)

    def _lines(self, width: int) -> Iterator[Line]:
        groups: dict[str, list[ActiveBinding]] = {"This screen": [], "This pane": [], "Everywhere": []}
        for active in self._active:
            if active.enabled and active.binding.description and active.binding.id:
                groups[_group(active)].append(active)
        parts = {title: self._keys(found) for title, found in groups.items()}
        parts["Marks"] = dict(self._legend)
        order = ("This screen", "Marks", "This pane", "Everywhere")
        for number, title in enumerate(title for title in order if parts[title]):
            if number:
                yield line()
            yield line((title, "title"))
            for sign, meaning in parts[title].items():
                yield from _row(sign, meaning, width)

    def _keys(self, found: Sequence[ActiveBinding]) -> dict[str, str]:
        """What bindings do, by their keys."""
        keys: dict[str, list[str]] = {}
        for active in found:
            name = self.app.get_key_display(replace(active.binding, key_display=None))
            keys.setdefault(meaning_of(active.binding), []).append(name)
        return {" ".join(dict.fromkeys(names)): meaning for meaning, names in keys.items()}


def meaning_of(binding: Binding) -> str:
    """What a key does: the description of its binding, and the longer text where it has one."""
    more = binding.tooltip
    return f"{binding.description}: {more[0].lower()}{more[1:]}" if more else binding.description


def _group(active: ActiveBinding) -> str:
    if isinstance(active.node, App) or (active.binding.id or "").startswith(EVERYWHERE):
        return "Everywhere"
    return "This screen" if isinstance(active.node, Screen) else "This pane"


def _row(sign: str, meaning: str, width: int) -> Iterator[Line]:
    """A sign and its meaning, which may take several rows."""
    rows = wrap(meaning, width - _KEYS - 1)
    for number, row in enumerate(rows):
        yield line((f"{sign if number == 0 else '':<{_KEYS}} ", "mark"), row)
