"""The replay, key by key."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from store.events import Selected
from store.tree import fold
from tui.app import StoreApp
from tui.screens.problem import ProblemScreen
from tui.screens.prompt import PromptScreen
from tui.screens.replay import ReplayScreen
from tui.screens.trees import TreesScreen
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from store.index.reader import StoreReader
    from tests.tui.tui_support import Until
    from tui.replay.player import Player
    from tui.replay.timeline import Pace

pytestmark = pytest.mark.asyncio

TREE = "1.search/1"


def screen(pilot: Pilot[None]) -> ReplayScreen:
    assert isinstance(pilot.app.screen, ReplayScreen)
    return pilot.app.screen


def player(pilot: Pilot[None]) -> Player:
    found = screen(pilot).player
    assert found is not None
    return found


def pace(pilot: Pilot[None]) -> Pace:
    found = screen(pilot).timeline
    assert found is not None
    return found.pace


def pane(pilot: Pilot[None]) -> TreePane:
    return pilot.app.screen.query_one(TreePane)


def node_text(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#node", LinesPane).text


def timeline(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#timeline", LinesBar).text


def rows(pilot: Pilot[None]) -> list[str]:
    tree = pane(pilot)
    return [tree.render_line(y).text.rstrip() for y in range(tree.size.height)]


def why(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#why", LinesPane).text


def head(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#title", LinesBar).text


async def opened(pilot: Pilot[None], until: Until, *keys: str) -> None:
    """Wait for the replay, which opens at the end, and press ``keys``."""

    def ready() -> bool:
        current = pilot.app.screen
        timeline = current.timeline if isinstance(current, ReplayScreen) else None
        return timeline is not None and timeline.changes is not None

    await until(pilot, ready)
    await pilot.press(*keys)


@pytest.fixture
def app(reader: StoreReader) -> StoreApp:
    return StoreApp(reader, "demo", TREE)


async def test_stepping_shows_the_fold_of_the_events(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until, "home")
        record = player(pilot).record
        for keys in (
            ["right"] * 6,
            ["l", "l"],
            ["left"] * 3,
            ["h"],
            ["shift+right"],
            ["shift+left"],
            ["right"],
        ):
            await pilot.press(*keys)
            tree = fold(record.events[: player(pilot).position])
            shown = [row for row in rows(pilot) if row]
            assert len(shown) == len(tree.nodes)
            for node in tree.nodes:
                row = next(row for row in shown if f"#{node.id} " in f"{row} ")
                assert f" {node.visits} " in row
                assert f"{node.value:.2f}" in row or (node.score is None and not node.visits)
            assert f"event {player(pilot).position} of {len(record.events)}" in timeline(pilot)


async def test_rounds_start_end_and_go_to(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until, "home")
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert isinstance(player(pilot).event, Selected)
        assert "round 2 of" in timeline(pilot)
        second = player(pilot).position
        await pilot.press("right_square_bracket", "left_square_bracket")
        assert player(pilot).position == second
        await pilot.press("end")
        assert player(pilot).position == player(pilot).length
        assert "ended " in timeline(pilot)
        await pilot.press("home")
        assert player(pilot).position == 0
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("1", "2", "enter")
        assert player(pilot).position == 12
        await pilot.press("g", "5", "escape")
        assert player(pilot).position == 12
        await pilot.press("g", "enter")
        assert player(pilot).position == 12
        await pilot.press("g", *"9999", "enter")
        assert player(pilot).position == player(pilot).length


async def test_playing(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until, "home")
        await pilot.press(*["full_stop"] * 5)
        assert pace(pilot).speed == 30.0
        await pilot.press("space")
        await until(pilot, lambda: player(pilot).position >= 3)
        assert "playing 30/s" in timeline(pilot)
        await pilot.press("space")
        assert "paused" in timeline(pilot)
        await pilot.press("comma", "full_stop", "space")
        await until(pilot, lambda: player(pilot).position == player(pilot).length)
        assert not pace(pilot).playing
        await pilot.press(*["comma"] * 9)
        assert pace(pilot).speed == 0.5
        await pilot.press("space")
        assert pace(pilot).playing
        assert player(pilot).position < player(pilot).length
        await pilot.press("space")


async def test_the_cursor_follows_the_events_until_told_not_to(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until, "home")
        await pilot.press(*["right"] * 3)
        assert pane(pilot).cursor == player(pilot).focus == 1
        await pilot.press("f", "end")
        assert pane(pilot).cursor == 1
        await pilot.press("f")
        assert pane(pilot).cursor == player(pilot).focus


async def test_moving_and_folding_in_the_tree(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until)
        await pilot.press("pageup", "pageup")
        assert pane(pilot).cursor == 0
        assert "What is 1 plus 41?" in node_text(pilot)
        await pilot.press("down")
        child = pane(pilot).cursor
        assert player(pilot).tree.nodes[child].parent == 0
        assert f"node {child} below 0" in node_text(pilot)
        await pilot.press("p")
        assert pane(pilot).cursor == 0
        before = len([row for row in rows(pilot) if row])
        await pilot.press("z")
        assert len([row for row in rows(pilot) if row]) == 1
        assert "[+3]" in rows(pilot)[0]
        await pilot.press("enter")
        assert len([row for row in rows(pilot) if row]) == before
        await pilot.press("j", "k", "pagedown", "up")
        assert pane(pilot).cursor != 0


async def test_going_back_before_the_node_under_the_cursor(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until)
        await pilot.press("pagedown", "pagedown")
        looked_at = pane(pilot).cursor
        assert looked_at != 0
        await pilot.press("home")
        assert pane(pilot).cursor == 0
        await pilot.press("end")
        assert pane(pilot).cursor == looked_at, "the node is there again"
        await pilot.press("f")
        assert pane(pilot).cursor == player(pilot).focus


async def test_reasons_labels_and_whole_solution(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until, "home", *["right"] * 5)
        assert "v_max" in why(pilot) and "step 1" in why(pilot)
        assert "rest-mcts" in node_text(pilot)
        await pilot.press("right")
        assert "v_max" not in why(pilot)
        await pilot.press("end", "pagedown", "pagedown", "w")
        assert "partial solution" in node_text(pilot)
        steps = player(pilot).tree.steps(pane(pilot).cursor)
        assert all(step.text.strip() in node_text(pilot) for step in steps)
        await pilot.press("w")
        assert "partial solution" not in node_text(pilot)


async def test_scrolling_the_detail(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until, "home")
        await pilot.press("pagedown", "tab")
        detail = app.screen.query_one("#node", LinesPane)
        assert app.focused is detail, "there is room for one pane: that of the node that was gone to"
        await pilot.press("down", "down")
        await until(pilot, lambda: detail.scroll_offset.y == 2)
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert detail.scroll_offset.y == 2
        await pilot.press("right")
        assert player(pilot).position == 1


async def test_mouse_in_the_tree_and_on_the_timeline(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until)
        await pilot.press("home")
        await pilot.click("#timeline", offset=(player(pilot).length + 1, 0))
        assert player(pilot).position == player(pilot).length
        await pilot.click("#tree", offset=(12, 2))
        await pilot.pause()
        assert pane(pilot).cursor == int(rows(pilot)[2].split("#")[1].split()[0])


async def test_escape_goes_back_to_the_trees(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await opened(pilot, until)
        await pilot.press("escape")
        assert isinstance(app.screen, TreesScreen)


async def test_a_search_without_selection_or_values(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", "2.evaluate.votes/1")
    async with app.run_test() as pilot:
        await opened(pilot, until, "home")
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert "round 2 of 5" in timeline(pilot)
        await pilot.press("end")
        assert "majority" in timeline(pilot)


async def test_a_tree_that_is_not_there(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", "1.search/9999")
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, ProblemScreen))
        await until(pilot, lambda: app.screen.query("#reason"))
        assert "no tree '1.search/9999'" in app.screen.reason  # type: ignore[attr-defined]
        await pilot.press("escape")
        assert isinstance(app.screen, TreesScreen)


async def test_the_garbage_collector_is_as_before_afterwards(app: StoreApp, until: Until) -> None:
    before = gc.get_threshold()
    async with app.run_test() as pilot:
        await opened(pilot, until)
        assert gc.get_freeze_count() > 0
        app.call_later(app.push_screen, ReplayScreen(app.reader, "demo", "1.search/2"))
        await until(pilot, lambda: player(pilot).record.header.id == "1.search/2")
        await pilot.press("escape")
        await until(pilot, lambda: player(pilot).record.header.id == TREE)
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
