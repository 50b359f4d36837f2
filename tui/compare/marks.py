"""What a user has marked in lists, to compare it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.queries import Side
from tui.places import ComparePlace, MatrixPlace

if TYPE_CHECKING:
    from collections.abc import Iterator


def side_of_run(run: str) -> Side:
    """A run as a side: its phase and method are chosen when it is compared."""
    return Side(run, "", "")


class MarkedSides:
    """The marked sides, in the order of marking; they stay while the application runs."""

    def __init__(self) -> None:
        self._sides: dict[Side, None] = {}

    def __contains__(self, side: Side) -> bool:
        return side in self._sides

    def __len__(self) -> int:
        return len(self._sides)

    def __iter__(self) -> Iterator[Side]:
        return iter(self._sides)

    def toggle(self, side: Side) -> None:
        """Mark a side, or take its mark away."""
        if side in self._sides:
            del self._sides[side]
        else:
            self._sides[side] = None

    def clear(self) -> None:
        """Take all marks away."""
        self._sides.clear()

    def place(self, here: Side | None = None) -> ComparePlace | MatrixPlace | None:
        """Where the marked sides are compared, with the one under the cursor if a second is missing.

        None where there are no two.
        """
        sides = list(self._sides)
        if len(sides) == 1 and here is not None and here != sides[0]:
            sides.append(here)
        if len(sides) < 2:
            return None
        return ComparePlace(sides[0], sides[1]) if len(sides) == 2 else MatrixPlace(tuple(sides))
