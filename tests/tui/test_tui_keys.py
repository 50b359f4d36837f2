"""One set of keys: the footer, the help, lists and dialogs, and any keys at all."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual._styles_cache import StylesCache
from textual.widgets._footer import FooterKey

from docs.generate.screens import holders
from store.errors import StoreError
from store.index.reader import StoreReader
from tests.tui.tui_support import SEARCHES, Until, screen_of
from tui.app import StoreApp
from tui.screens.help import HelpScreen
from tui.screens.problem import ProblemScreen
from tui.screens.replay import ReplayScreen
from tui.screens.runs import RunsScreen
from tui.screens.trees import TreesScreen
from tui.trees.pages import PAGE
from tui.widgets.filter_line import FilterLine
from tui.widgets.keys import MOST
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

PLACES: dict[str, tuple[str | None, str | None]] = {
    "runs": (None, None),
    "trees": ("demo", None),
    "replay": ("demo", "1.search/1"),
}


async def opened(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [50, 80, 120])
async def test_the_footer_has_at_most_seven_keys(reader: StoreReader, place: str, width: int) -> None:
    app = StoreApp(reader, *PLACES[place])
    async with app.run_test(size=(width, 24)) as pilot:
        await opened(pilot)
        keys = [(key.key_display, key.description) for key in app.screen.query(FooterKey)]
        assert 4 <= len(keys) <= MOST
        assert ("?", "Help") in keys and (":", "Command") in keys
        assert (("q", "Quit") in keys) == (place == "runs")
        assert (("esc", "Back") in keys) == (place != "runs")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_help_begins_with_this_screen_and_explains_its_marks(
    reader: StoreReader, until: Until, place: str, size: tuple[int, int]
) -> None:
    app = StoreApp(reader, *PLACES[place])
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        legend = app.screen.LEGEND  # type: ignore[attr-defined]
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        pane = app.screen.query_one(LinesPane)
        await until(pilot, lambda: pane.text)
        titles = [
            row
            for row in pane.text.splitlines()
            if row in ("This screen", "Marks", "This pane", "Everywhere")
        ]
        assert titles == ["This screen", "Marks", "This pane", "Everywhere"]
        words = " ".join(pane.text.split())
        for sign, meaning in legend:
            assert sign in words and " ".join(meaning.split()[:3]) in words
        assert "Copy selected text" not in words
        assert max(map(len, pane.text.splitlines())) <= pane.size.width


async def test_lists_have_the_keys_of_vi(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one("#trees", RowTable)
        await until(pilot, lambda: table.row_count == PAGE)
        await pilot.press("j", "j", "k")
        assert table.cursor_row == 1
        await pilot.press("ctrl+d")
        down = table.cursor_row
        assert down > 10
        await pilot.press("ctrl+u")
        assert table.cursor_row < down
        await pilot.press("G")
        assert table.cursor_row == PAGE - 1
        await pilot.press("home", "end")
        assert table.cursor_row == PAGE - 1
        await pilot.press("g")
        assert table.cursor_row == 0


async def test_page_down_goes_on_past_the_end_of_a_page(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one("#trees", RowTable)
        status = app.screen.query_one("#filters", LinesBar)
        await until(pilot, lambda: table.row_count == PAGE)
        await pilot.press("G", "pagedown")
        await until(pilot, lambda: status.text.startswith(f"{PAGE + 1} to"))
        assert table.cursor_row == 0
        await pilot.press("pageup")
        await until(pilot, lambda: status.text.startswith("1 to"))


async def test_a_pane_fills_the_screen_and_gives_it_back(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader)
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one("#runs", RowTable)
        await until(pilot, lambda: table.row_count)
        before = table.size.height
        await pilot.press("plus")
        await until(pilot, lambda: table.size.height > before)
        await pilot.press("underscore")
        await until(pilot, lambda: table.size.height == before)


async def test_the_list_above_a_tree_begins_at_it(reader: StoreReader, until: Until) -> None:
    last = SEARCHES - 3
    app = StoreApp(reader, "demo", f"1.search/{last}")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TreesScreen))
        table = app.screen.query_one("#trees", RowTable)
        await until(pilot, lambda: table.row_count)
        assert table.chosen == f"1.search/{last}"
        assert table.cursor_row == last - PAGE
        assert app.screen.query_one(FilterLine).value == "phase:1.search"


async def test_a_phase_can_be_opened(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", phase="2.evaluate.votes")
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: app.screen.query("#trees"))
        status = app.screen.query_one("#filters", LinesBar)
        await until(pilot, lambda: status.text.startswith("1 to 5 of 5"))
        assert "phase:2.evaluate.votes" in screen_of(app)
        await pilot.press("x")
        await until(pilot, lambda: status.text.startswith(f"1 to {PAGE}"))


async def test_a_filter_that_finds_nothing_says_how_to_clear_it(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"nothing like that")
        await until(pilot, lambda: "no trees (x clears the filters)" in screen_of(app))


async def test_the_store_is_followed_below_a_dialog(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = StoreApp(reader)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        await pilot.press("question_mark")
        monkeypatch.setattr(StoreReader, "version", lambda _: 10**6)
        await until(pilot, lambda: screen.seen == 10**6)
        assert isinstance(app.screen, HelpScreen)


async def test_a_dialog_about_the_store_goes_when_the_store_can_be_read_again(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: StoreReader) -> int:
        raise StoreError("the disk is gone")

    app = StoreApp(reader)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
        with monkeypatch.context() as patched:
            patched.setattr(StoreReader, "version", gone)
            await until(pilot, lambda: isinstance(app.screen, ProblemScreen))
            app.ask_version()
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert isinstance(app.screen, ProblemScreen)
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        app.screen.show_problem("something else")  # type: ignore[attr-defined]
        app.ask_version()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, ProblemScreen), "only what is no longer true goes by itself"


KEYS = sorted(
    {
        key
        for kind in holders().values()
        for binding in kind.BINDINGS
        if binding.action not in ("quit", "suspend_process")  # type: ignore[union-attr]
        for key in binding.key.split(",")  # type: ignore[union-attr]
        if key not in ("q", "ctrl+q")
    }
    | {"tab", "0", "7", "x", "enter", "escape"}
)
"""All keys that do something, but those that end the application or send it to the background."""


@given(place=st.sampled_from(sorted(PLACES)), keys=st.lists(st.sampled_from(KEYS), min_size=5, max_size=40))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_keys_break_a_screen(demo: Path, place: str, keys: list[str]) -> None:
    async def press() -> None:
        with StoreReader(demo) as reader:
            app = StoreApp(reader, *PLACES[place])
            async with app.run_test(size=(80, 24)) as pilot:
                await opened(pilot)
                await pilot.press(*keys)
                await opened(pilot)
                assert app.is_running

    asyncio.run(press())


@pytest.mark.asyncio
async def test_what_was_drawn_on_a_screen_that_is_left_does_not_pile_up(demo: Path, until: Until) -> None:
    with StoreReader(demo) as reader:
        app = StoreApp(reader, "demo")
        async with app.run_test(size=(80, 24)) as pilot:
            for _ in range(6):
                await pilot.press("question_mark")
                await until(pilot, lambda: isinstance(app.screen, HelpScreen))
                await pilot.press("escape")
                await until(pilot, lambda: not isinstance(app.screen, HelpScreen))
            gc.collect()
            keys = [each for each in gc.get_objects() if isinstance(each, FooterKey)]
            gone = [key for key in keys if not key.is_attached]
            remembered = StylesCache.get_inner_outer.cache_info().currsize
    assert len(keys) - len(gone) == MOST
    assert len(gone) <= 2 * MOST
    assert remembered < 50
