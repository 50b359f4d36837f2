"""The application: where it opens, and how it follows a store that is being written."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from store.errors import RestmctsError
from tui.messages import ReadFailed, VersionRead
from tui.navigation import screen_for
from tui.places import Place, place_of
from tui.screens.base import StoreScreen
from tui.screens.help import HelpScreen

if TYPE_CHECKING:
    from textual.command import Provider

    from store.index.reader import StoreReader

POLL_SECONDS = 1.0
"""How often the version of the store is looked at."""


def _go_provider() -> type[Provider]:
    # The palette and what it needs are loaded when it is opened.
    from tui.palette import GoProvider

    return GoProvider


class StoreApp(App[None]):
    """Looks at the store that ``reader`` reads; opens at a run, or at a tree of it, when named."""

    CSS_PATH = "tui.tcss"
    TITLE = "restmcts"
    COMMANDS = App.COMMANDS | {_go_provider}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="help"),
        Binding("escape,backspace", "leave", "Close", id="leave"),
        Binding("q", "quit", "Quit", id="quit"),
    ]

    def __init__(self, reader: StoreReader, run: str | None = None, tree: str | None = None) -> None:
        super().__init__()
        self.reader = reader
        self._start = place_of(run, tree)
        self._asking = False
        self._failure: str | None = None

    def on_mount(self) -> None:
        self.push_screen(screen_for(self._start, self.reader))
        self.set_interval(POLL_SECONDS, self.ask_version)

    def go(self, place: Place, *, instead: bool = False) -> None:
        """Show ``place`` over the present screen, or ``instead`` of it."""
        screen = screen_for(place, self.reader)
        if instead:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def ask_version(self) -> None:
        """Look at the version in a thread, unless the last look has not come back."""
        if not self._asking:
            self._asking = True
            self.run_worker(self._read_version, group="version", thread=True)

    def _read_version(self) -> None:
        try:
            message: VersionRead | ReadFailed = VersionRead(self.reader.version())
        except RestmctsError as error:
            message = ReadFailed(str(error))
        if not get_current_worker().is_cancelled:
            self.post_message(message)

    def on_version_read(self, message: VersionRead) -> None:
        self._asking = False
        self._failure = None
        screen = self._shown()
        if screen is not None:
            screen.store_changed(message.version)

    def on_read_failed(self, message: ReadFailed) -> None:
        self._asking = False
        screen = self._shown()
        if message.reason != self._failure and screen is not None:
            self._failure = message.reason
            screen.show_problem(message.reason)

    def _shown(self) -> StoreScreen | None:
        """The screen on top if it shows the store; None also while the application ends."""
        stack = self.screen_stack
        return stack[-1] if stack and isinstance(stack[-1], StoreScreen) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "leave" or not self._at_the_runs()

    def _at_the_runs(self) -> bool:
        """Whether no screen lies below and no place above."""
        screen = self._shown()
        return screen is not None and screen.above() is None

    def action_leave(self) -> None:
        screen = self._shown()
        if screen is not None:
            screen.close()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(list(self.screen.active_bindings.values())))
