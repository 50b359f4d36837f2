"""Following a run that is still being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.index.reader import StoreReader
from tests.tui.made_searches import mcts
from tests.tui.tui_support import Until, open_run
from tui.app import StoreApp
from tui.messages import ReadFailed, VersionRead
from tui.screens.problem import ProblemScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.screens.trees import TreesScreen
from tui.widgets.lines import LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_news_of_the_store_after_the_last_screen_is_no_error(reader: StoreReader) -> None:
    app = StoreApp(reader)
    app.on_version_read(VersionRead(1))
    app.on_read_failed(ReadFailed("gone"))
    assert app.screen_stack == []


async def test_new_trees_appear_and_the_cursor_stays(tmp_path: Path, until: Until) -> None:
    with open_run(tmp_path, "live") as writer:
        writer.start_phase("1.search", "search", 1)
        for number in range(10, 60):
            writer.add_tree(mcts(number, rounds=2))
        writer.sync_index()
        with StoreReader(tmp_path) as reader:
            app = StoreApp(reader, "live")
            async with app.run_test() as pilot:
                await until(pilot, lambda: isinstance(app.screen, TreesScreen))
                table = app.screen.query_one("#trees", RowTable)
                await until(pilot, lambda: table.row_count == 50)
                await pilot.press("pagedown", "pagedown", "up")
                await pilot.pause()
                chosen, top = table.chosen, table.scroll_offset.y
                assert top > 0
                for number in range(60, 65):
                    writer.add_tree(mcts(number, rounds=2))
                writer.sync_index()
                await until(pilot, lambda: table.row_count == 55)
                assert (table.chosen, table.scroll_offset.y) == (chosen, top)
                writer.add_tree(mcts(1, rounds=2))  # sorts before all others
                writer.sync_index()
                await until(pilot, lambda: table.row_count == 56)
                assert table.chosen == chosen


async def test_the_runs_and_labels_follow_too(tmp_path: Path, until: Until) -> None:
    with open_run(tmp_path, "live") as writer, StoreReader(tmp_path) as reader:
        writer.start_phase("1.search", "search", 1)
        writer.add_tree(mcts(1))
        writer.sync_index()
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            table = app.screen.query_one("#runs", RowTable)
            await until(pilot, lambda: table.row_count and table.get_row_at(0)[4].plain == "1")
            assert table.get_row_at(0)[1].plain == "running"
            writer.add_tree(mcts(2))
            writer.sync_index()
            await until(pilot, lambda: table.get_row_at(0)[4].plain == "2")
            await pilot.press("t")
            await until(pilot, lambda: app.screen.query("#trees") and app.focused)
            await until(pilot, lambda: app.screen.query_one("#trees", RowTable).row_count == 2)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
            writer.finish_phase("1.search", {})
            writer.start_phase("1.label", "label", 1)
            writer.write_labels("1.label", "rest-mcts", [("1.search/1", (0.8125,) * mcts(1).result.nodes)])
            writer.finish_phase("1.label", {})
            writer.sync_index()
            await pilot.press("u")  # of reasons and node, a small terminal has room for one
            await until(pilot, lambda: "0.812" in app.screen.query_one("#node", LinesPane).text)
            await pilot.press("escape", "escape")
            await until(pilot, lambda: isinstance(app.screen, RunsScreen))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen))
            await pilot.press("2")
            phases = app.screen.query_one("#phases", RowTable)
            await until(pilot, lambda: phases.row_count == 2)


async def test_a_killed_writer_shows(tmp_path: Path, until: Until) -> None:
    writer = open_run(tmp_path, "live")
    writer.start_phase("1.train", "train", 1)
    with StoreReader(tmp_path) as reader:
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            table = app.screen.query_one("#runs", RowTable)
            await until(pilot, lambda: table.row_count and table.get_row_at(0)[1].plain == "running")
            writer._run_lock.release()  # all that is left of a process that was killed
            await until(pilot, lambda: table.get_row_at(0)[1].plain == "stopped")
    writer.close()


async def test_a_store_that_goes_away_is_told_once(tmp_path: Path, until: Until) -> None:
    with open_run(tmp_path, "live") as writer:
        writer.start_phase("1.search", "search", 1)
    with StoreReader(tmp_path) as reader:
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count == 1)
            for path in tmp_path.glob("index.db*"):
                path.unlink()
            await until(pilot, lambda: isinstance(app.screen, ProblemScreen))
            await pilot.press("escape")
            app.ask_version()
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert isinstance(app.screen, RunsScreen)
