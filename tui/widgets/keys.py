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
        yield from map(_unbound, [*list(keys.values())[: MOST - len(last)], *last])


def _unbound(key: FooterKey) -> FooterKey:
    """The same key, but not bound to ``compact`` of the bar: a bar never lets go of what is bound to it."""
    alone = FooterKey(
        key.key,
        key.key_display,
        key.description,
        key.action,
        disabled=key.has_class("-disabled"),
        tooltip=str(key.tooltip or ""),
    )
    alone.compact = True
    return alone
