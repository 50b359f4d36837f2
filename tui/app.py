"""The application: where it opens, how it looks, and how it follows a store that is being written."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual._styles_cache import StylesCache
from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme
from textual.worker import get_current_worker

from store.errors import RestmctsError
from tui.compare.marks import MarkedSides
from tui.look import look_of, own_colours, use
from tui.messages import ReadFailed, VersionRead
from tui.navigation import screen_for
from tui.places import Place, RunsPlace, place_of
from tui.screens.base import OPENED, StoreScreen
from tui.screens.help import HelpScreen
from tui.screens.problem import ProblemScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.await_complete import AwaitComplete
    from textual.command import Provider
    from textual.driver import Driver

    from store.index.reader import StoreReader
    from tui.remembered import ThemeMemory
    from tui.trees.pages import TreeQuery

POLL_SECONDS = 1.0
"""How often the version of the store is looked at."""


def _commands() -> type[Provider]:
    # The palette and what it needs are loaded when it is opened.
    from tui.palette import CommandProvider

    return CommandProvider


class StoreApp(App[None]):
    """Looks at the store that ``reader`` reads; opens at a run, a phase or a tree of it, when named.

    ``memory`` keeps the theme that the user chooses; without one it is that of Textual. ``marks`` are the
    sides that were marked in lists.
    """

    CSS_PATH = "tui.tcss"
    TITLE = "restmcts"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "leave", "Back", tooltip="To the screen before, or above", id="leave"),
        Binding(
            "colon,ctrl+p",
            "command_palette",
            "Command",
            key_display=":",
            tooltip="Type a command, such as open RUN/PHASE/NUMBER",
            id="command",
        ),
        Binding(
            "question_mark",
            "help",
            "Help",
            key_display="?",
            tooltip="Keys and marks of this screen",
            id="help",
        ),
        Binding("T", "change_theme", "Theme", show=False, tooltip="Choose the colours", id="theme"),
        Binding(
            "ctrl+z",
            "suspend_process",
            "Suspend",
            show=False,
            tooltip="Back to the shell, whose fg comes back",
            id="suspend",
        ),
        Binding("q", "quit", "Quit", id="quit"),
    ]

    def __init__(
        self,
        reader: StoreReader,
        run: str | None = None,
        tree: str | None = None,
        *,
        phase: str | None = None,
        memory: ThemeMemory | None = None,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.marks = MarkedSides()
        self.queries: dict[str, TreeQuery] = {}
        self._start = place_of(run, tree, phase)
        self._memory = memory
        self._asking = False
        self._failure: str | None = None
        remembered = None if memory is None else memory.read()
        if remembered in self.available_themes:
            self.theme = remembered

    def get_driver_class(self) -> type[Driver]:
        from textual.drivers.linux_driver import LinuxDriver

        found = super().get_driver_class()
        if found is not LinuxDriver:
            return found  # a browser, say, which the environment names
        from tui.driver import SparingDriver

        return SparingDriver

    def get_css_variables(self) -> dict[str, str]:
        variables = super().get_css_variables()
        return variables | own_colours(variables)

    def on_mount(self) -> None:
        self._use_look(self.current_theme)
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.push_screen(screen_for(self._start, self.reader))
        self.set_interval(POLL_SECONDS, self.ask_version)

    def _use_look(self, theme: Theme) -> None:
        use(look_of(theme, colourless=self.no_color))

    def _theme_changed(self, theme: Theme) -> None:
        self._use_look(theme)
        for screen in self.screen_stack:
            if isinstance(screen, StoreScreen):
                screen.draw_again()
        if self._memory is not None and self._memory.read() != theme.name:
            try:
                self._memory.write(theme.name)
            except RestmctsError as error:
                self.notify(str(error), severity="warning", markup=False)

    def go(self, place: Place, *, instead: bool = False) -> None:
        """Show ``place`` over the present screen, or ``instead`` of it."""
        screen = screen_for(place, self.reader)
        if instead:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def pop_screen(self) -> AwaitComplete:
        """Leave the topmost screen, and let go of what was drawn there.

        Textual remembers two colours for each of the last 1,024 widgets, by an object that holds all that was
        drawn of the widget.
        """
        left = super().pop_screen()
        StylesCache.get_inner_outer.cache_clear()
        return left

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
        if self._failure is not None:
            self._take_back(self._failure)
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

    def _take_back(self, reason: str) -> None:
        """Close the dialog that told ``reason``, which is no longer true."""
        top = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(top, ProblemScreen) and top.tells(reason):
            top.dismiss()

    def _shown(self) -> StoreScreen | None:
        """The topmost screen that shows the store, below dialogs; None also while the application ends."""
        return next((each for each in reversed(self.screen_stack) if isinstance(each, StoreScreen)), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "leave" or not self._at_the_runs()

    def _at_the_runs(self) -> bool:
        """Whether no screen lies below and no place above."""
        screen = self._shown()
        return screen is not None and screen.above() is None

    def action_leave(self) -> None:
        screen = self._shown()
        if screen is not None and screen is self.screen:
            screen.close()

    def action_runs(self) -> None:
        """All runs, whatever was open."""
        while len(self.screen_stack) > OPENED:
            self.pop_screen()
        self.go(RunsPlace(), instead=True)

    def action_use_theme(self, name: str) -> None:
        self.theme = name

    def action_help(self) -> None:
        screen = self.screen
        legend = screen.LEGEND if isinstance(screen, StoreScreen) else ()
        self.push_screen(HelpScreen(list(screen.active_bindings.values()), legend))
