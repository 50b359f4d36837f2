"""What the screens share: reading the store in worker threads and catching up with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from store.errors import InterruptedReadError, RestmctsError
from tui.messages import ReadFailed
from tui.screens.problem import ProblemScreen
from tui.styled import line
from tui.taking import TakingScreen
from tui.widgets.keys import KeysBar
from tui.widgets.lines import LinesBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.message import Message

    from store.index.reader import StoreReader
    from tui.legend import Legend
    from tui.places import Navigator, Place

MAIN = "main"
"""The group of the reads that bring a screen up to date; a screen may have others beside it."""


LIVE_SECONDS = 1.0
"""How often screens look at the progress of running runs."""

OPENED = 2
"""The height of the stack with one screen open: below it lies the blank one of every application."""


class StoreScreen(TakingScreen):
    """A screen over a part of the store.

    ``seen`` is the version of the store that the screen shows. A screen reads again when it is in sight
    and the store has another version; while it reads, further changes wait for what it reads to arrive.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "refresh", "Read again", show=False, id="everywhere.refresh"),
        Binding("tab", "app.focus_next", "Next pane", show=False, id="everywhere.next-pane"),
        Binding(
            "shift+tab", "app.focus_previous", "Previous pane", show=False, id="everywhere.previous-pane"
        ),
        Binding(
            "plus",
            "maximize",
            "Zoom",
            show=False,
            key_display="+",
            tooltip="The pane with the focus fills the screen",
            id="everywhere.zoom",
        ),
        Binding(
            "underscore", "minimize", "All panes", show=False, key_display="_", id="everywhere.all-panes"
        ),
    ]
    LEGEND: ClassVar[Legend] = ()
    """What the marks of the screen mean, for the help."""

    def __init__(self, reader: StoreReader, title: str) -> None:
        super().__init__()
        self.title = title
        self.reader = reader
        self.seen: int | None = None
        self._newest: int | None = None
        self._reading = False

    def compose(self) -> ComposeResult:
        raise NotImplementedError

    def above(self) -> Place | None:
        """The place to go to when this screen is closed and none lies below; None for the first."""
        return None

    def title_bar(self) -> LinesBar:
        """The first line of a screen: where the user is, from the title of the screen."""
        return LinesBar("title", lambda width: [line(("restmcts", "bold"), (f"  {self.title}", ""))])

    def keys_bar(self) -> KeysBar:
        """The last line of a screen."""
        return KeysBar()

    def draw_again(self) -> None:
        """Draw everything with the look of now."""
        for widget in self.query("*"):
            widget.refresh()
        self.reload()

    def reload(self) -> None:
        """Ask, in the group :data:`MAIN`, for everything that the screen shows."""
        raise NotImplementedError

    def store_changed(self, version: int) -> None:
        """The store has ``version`` now: read again unless that is what is shown or on its way."""
        self._newest = version
        if self._newest != self.seen and not self._reading:
            self.reload()

    def caught_up(self, version: int | None) -> None:
        """What was asked for has arrived and is of ``version``."""
        self.seen = version
        self._reading = False

    def read(self, group: str, read: Callable[[StoreReader], Message]) -> None:
        """Read in a thread and post what ``read`` returns; a later request of ``group`` takes over."""
        self._reading |= group == MAIN

        def work() -> None:
            worker = get_current_worker()
            if worker.is_cancelled:
                return
            try:
                message = read(self.reader)
            except InterruptedReadError:
                return  # what asked for it has asked for something else since
            except RestmctsError as error:
                message = ReadFailed(str(error))
            if not worker.is_cancelled:
                self.post_message(message)

        self.run_worker(work, group=group, exclusive=True, thread=True)

    def on_read_failed(self, message: ReadFailed) -> None:
        message.stop()
        # The same version would fail again: the next try is for a changed store or a key.
        self.caught_up(self._newest)
        self.show_problem(message.reason)

    def show_problem(self, reason: str) -> None:
        """Tell ``reason`` over the screen, once at a time."""
        if not isinstance(self.app.screen, ProblemScreen):
            self.app.push_screen(ProblemScreen(reason))

    def close(self) -> None:
        """Go back to the screen below; without one, to the place above this one."""
        above = self.above()
        if len(self.app.screen_stack) > OPENED:
            self.app.pop_screen()
        elif above is not None:
            self.open(above, instead=True)

    def open(self, place: Place, *, instead: bool = False) -> None:
        """Go to ``place``, over this screen or ``instead`` of it."""
        cast("Navigator", self.app).go(place, instead=instead)

    def action_refresh(self) -> None:
        self.reload()
