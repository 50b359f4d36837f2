"""What can be taken out of a screen: copies, texts for an editor, pictures, pages."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.index.reader import StoreReader
from tests.tui.test_tui_hostile import EVIL, assert_harmless
from tests.tui.test_tui_hostile import hostile as hostile
from tests.tui.test_tui_page import check_page
from tests.tui.tui_support import Until
from tui.app import StoreApp
from tui.screens.replay import ReplayScreen
from tui.screens.trees import TreesScreen
from tui.taking import LONGEST_COPY, Taken, TakingScreen, command, editor, without_fonts
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from textual.pilot import Pilot


async def opened(app: StoreApp, pilot: Pilot[None], until: Until) -> None:
    await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)


async def test_lists_give_the_command_that_shows_the_row(app: StoreApp, demo: Path, until: Until) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
        await pilot.press("y")
        assert shlex.split(app.clipboard) == ["restmcts", "show", "demo", "--root", str(demo)]
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TreesScreen))
        await until(pilot, lambda: app.screen.query_one("#trees", RowTable).row_count)
        await pilot.press("y")
        assert shlex.split(app.clipboard)[2] == "demo/1.search/0"


async def test_a_replay_gives_the_step_under_the_cursor(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, until)
        screen = app.screen
        assert isinstance(screen, ReplayScreen) and screen.player is not None
        await pilot.press("end", "ctrl+home", "down")
        taken = screen.taken()
        assert taken is not None
        await pilot.press("y")
        assert app.clipboard == taken.copy
        steps = {node.step.text.strip() for node in screen.player.tree.nodes if node.step is not None}
        assert taken.copy in steps or taken.what == "the question"
        assert taken.text.startswith("What is 3 plus 39?")


async def test_an_editor_gets_the_text_and_the_screens_come_back(
    reader: StoreReader, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.txt"
    script = tmp_path / "editor.py"
    script.write_text(f"import shutil, sys; shutil.copy(sys.argv[1], {str(seen)!r}); print(sys.argv[1])")
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(script)]))
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, until)
        monkeypatch.setattr(app, "suspend", nullcontext)
        await pilot.press("E")
        assert isinstance(app.screen, ReplayScreen)
        taken = app.screen.taken()
        assert taken is not None and seen.read_text("utf-8") == taken.text
        assert app.is_running


async def test_an_editor_that_is_not_there_is_said(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await opened(app, pilot, until)
        await pilot.press("E")
        await pilot.pause()
        assert "no editor can be opened from here" in said(app)
        monkeypatch.setattr(app, "suspend", nullcontext)
        for words in ("/nowhere/editor", "unclosed 'quote"):
            monkeypatch.setenv("VISUAL", words)
            await pilot.press("E")
            await pilot.pause()
            assert "the editor does not start" in said(app)


def said(app: StoreApp) -> str:
    return [notification.message for notification in app._notifications][-1]


async def test_keys_write_the_page_and_the_picture(
    reader: StoreReader, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot, until)
        await pilot.press("e", "S")
        page = tmp_path / "demo-1.search-3.html"
        await until(pilot, page.exists)
        check_page(page.read_text("utf-8"))
        picture = (tmp_path / "restmcts-demo-1.search-3.svg").read_text("utf-8")
        assert picture.startswith("<svg") and "Help" in picture
        assert not re.search(r"href|src|@import|url\((?!#)", picture)


async def test_a_folder_that_cannot_be_written_is_a_message(
    reader: StoreReader, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo-1.search-3.html").mkdir()
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await opened(app, pilot, until)
        await pilot.press("e")
        await until(pilot, lambda: app._notifications)
        assert "cannot write" in said(app)
        assert app.is_running


async def test_what_is_taken_of_hostile_texts_is_harmless(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader, "evil", "1.search/0")
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await opened(app, pilot, until)
            await pilot.press("end", "ctrl+home")
            for _ in range(4):
                assert isinstance(app.screen, TakingScreen)
                taken = app.screen.taken()
                assert taken is not None
                assert_harmless(taken.copy + taken.text)
                await pilot.press("y", "down")
            assert_harmless("".join(notification.message for notification in app._notifications))


async def test_what_is_too_long_is_not_copied(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await opened(app, pilot, until)
        monkeypatch.setattr(app.screen, "taken", lambda: Taken("it", "x" * (LONGEST_COPY + 1), ""))
        await pilot.press("y")
        assert app.clipboard == ""
        await pilot.pause()
        assert "too long for the clipboard" in said(app)


def test_commands_can_be_pasted_whatever_names_are() -> None:
    assert command("restmcts", "show", "a b/'c") == "restmcts show 'a b/'\"'\"'c'"
    pasted = command("restmcts", "show", EVIL)
    assert "\n" not in pasted and "\x1b" not in pasted and "\r" not in pasted


def test_the_editor_of_the_user() -> None:
    assert editor({"EDITOR": "code --wait", "PAGER": "less"}) == ["code", "--wait"]
    assert editor({"EDITOR": " ", "PAGER": "most"}) == ["most"]
    assert editor({})[0] in ("less", "vi")


def test_pictures_name_no_fonts_by_address() -> None:
    svg = '<svg a><style>@font-face { src: url("https://x/y.woff") } text {font-family: Fira Code, monospace}'
    assert without_fonts(svg) == '<svg xml:space="preserve" a><style>text {font-family: monospace}'
