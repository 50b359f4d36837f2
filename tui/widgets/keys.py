"""The last line of a screen: the keys that matter most here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Footer
from textual.widgets._footer import FooterKey

if TYPE_CHECKING:
    from textual.app import ComposeResult

MOST = 7
"""So many keys are shown; the help has all of them."""

EVERYWHERE = ("leave", "command_palette", "help", "quit")
"""Actions whose keys stand last, in this order; ``quit`` only where there is nothing to leave."""


class KeysBar(Footer):
    """At most :data:`MOST` keys: first those of the screen in the order of its bindings."""

    def __init__(self) -> None:
        super().__init__(compact=True, show_command_palette=False)

    def compose(self) -> ComposeResult:
        keys = {key.action: key for key in super().compose() if isinstance(key, FooterKey)}
        last = [keys.pop(action) for action in EVERYWHERE if action in keys]
        last = [key for key in last if key.action != "quit" or last[0].action != "leave"]
        yield from [*list(keys.values())[: MOST - len(last)], *last]
