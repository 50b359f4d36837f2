"""Rows that are marked by Space, on the lists of runs and of evaluations, and compared by c."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.index.reader import StoreReader
from store.queries import Side
from tests.tui.test_tui_run import opened, two
from tests.tui.tui_support import screen_of
from tui.app import StoreApp
from tui.compare.marks import side_of_run
from tui.places import ComparePlace
from tui.screens.compare import CompareScreen
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.tui_support import Until

__all__ = ["two"]

pytestmark = pytest.mark.asyncio


async def test_two_marked_runs_are_compared(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count == 2)
            await pilot.press("space")
            assert len(app.marks) == 1 and screen_of(app).count("▪") == 1
            await pilot.press("down", "space")
            assert screen_of(app).count("▪") == 2
            await pilot.press("space")
            assert list(app.marks) == [side_of_run("second")]
            await pilot.press("space", "c")
            await until(pilot, lambda: isinstance(app.screen, CompareScreen))
            await pilot.press("escape", "C")
            assert not len(app.marks) and "▪" not in screen_of(app)


async def test_rows_of_evaluations_are_marked_too(
    two: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("3", "space", "down")
            assert screen_of(app).count("▪") == 1
            places: list[object] = []
            monkeypatch.setattr(app, "go", lambda place, instead=False: places.append(place))
            await pilot.press("c")
            (marked,), here = app.marks, screen.side_here()
            assert isinstance(here, Side) and marked != here
            assert places == [ComparePlace(marked, here)]
            await pilot.press("1")
            assert screen.side_here() is None
