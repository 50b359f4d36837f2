"""From places to screens: the one module that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.places import (
    ComparePlace,
    MatrixPlace,
    Place,
    ReplayPlace,
    RunPlace,
    RunsPlace,
    SideBySidePlace,
    TreesPlace,
)
from tui.screens.compare import CompareScreen
from tui.screens.matrix import MatrixScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.screens.side_by_side import SideBySideScreen
from tui.screens.trees import TreesScreen

if TYPE_CHECKING:
    from store.index.reader import StoreReader
    from tui.screens.base import StoreScreen


def screen_for(place: Place, reader: StoreReader) -> StoreScreen:
    """A new screen that shows ``place``."""
    match place:
        case RunsPlace():
            return RunsScreen(reader)
        case RunPlace(run):
            return RunScreen(reader, run)
        case TreesPlace(run, phase, tree, wanted):
            return TreesScreen(reader, run, phase, tree, wanted)
        case ReplayPlace(run, tree, siblings):
            return ReplayScreen(reader, run, tree, siblings)
        case ComparePlace(a, b):
            return CompareScreen(reader, a, b)
        case MatrixPlace(sides):
            return MatrixScreen(reader, sides)
        case SideBySidePlace():
            return SideBySideScreen(reader, place)
