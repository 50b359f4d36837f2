"""Lists whose rows can be marked, to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual.binding import Binding, BindingType

from tui.places import ComparePlace
from tui.screens.base import StoreScreen

if TYPE_CHECKING:
    from store.queries import Side
    from tui.compare.marks import MarkedSides

MARKED = "▪"
"""What stands before the name of a marked row."""


class _Marking(Protocol):
    marks: MarkedSides


class MarkingScreen(StoreScreen):
    """A screen with a list of sides: Space marks the one under the cursor, c compares what is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="Mark the row, to compare it", show=False, id="mark.row"),
        Binding("c", "compare", "Compare", tooltip="Compare what is marked", id="mark.compare"),
        Binding("C", "clear_marks", "Take all marks away", show=False, id="mark.clear"),
    ]

    @property
    def marks(self) -> MarkedSides:
        """What is marked, on all screens together."""
        return cast("_Marking", self.app).marks

    def side_here(self) -> Side | None:
        """The side under the cursor; None where there is none."""
        raise NotImplementedError

    def show_marks(self) -> None:
        """Draw the rows again, with their marks."""
        raise NotImplementedError

    def action_mark(self) -> None:
        here = self.side_here()
        if here is None:
            self.tell("nothing to mark here", bad=True)
            return
        self.marks.toggle(here)
        self.show_marks()
        self.tell(f"{len(self.marks)} marked: c compares")

    def action_clear_marks(self) -> None:
        self.marks.clear()
        self.show_marks()

    def action_compare(self) -> None:
        here = self.side_here()
        place = self.marks.place(here)
        if place is None and here is not None and not len(self.marks):
            place = ComparePlace(here, here)
        if place is None:
            self.tell("mark a second row by Space", bad=True)
        else:
            self.open(place)
