"""Colours that can be read: in every theme, on every row, and without any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from store.errors import RestmctsError
from tests.tui.test_tui_compare import PLACES, opened, show
from tests.tui.tui_support import Until
from tui.app import StoreApp
from tui.look import BACKGROUNDS, CONTRAST, contrast, look_of, own_colours, readable
from tui.remembered import ThemeMemory, theme_file
from tui.screens.replay import ReplayScreen
from tui.screens.runs import RunsScreen

if TYPE_CHECKING:
    from pathlib import Path

    from rich.segment import Segment

    from store.index.reader import StoreReader

THEMES = sorted(name for name, theme in BUILTIN_THEMES.items() if not theme.ansi)
LINES = set("─━│┃╸╺╹╻▏▎▍▌▋▊▉█▁▂▃▄▅▆▇▔▕╭╮╰╯⎸⎹")
"""What frames and bars are drawn with; it is no text."""
BARS = set("█▓▒▁▂▃▄▅▆▇")
"""What figures are drawn with."""

MARKS = 3.0
"""The least contrast of what is drawn and is no text (WCAG 2.1)."""

colours = st.builds(Color, *[st.integers(0, 255)] * 3)


@pytest.mark.parametrize("name", THEMES)
def test_styled_text_is_readable_in_every_theme(name: str) -> None:
    theme = BUILTIN_THEMES[name]
    variables = theme.to_color_system().generate() | theme.variables
    variables |= own_colours(variables)
    look = look_of(theme)
    for style in (*look.styles.values(), *look.shades):
        if style.color is not None:
            colour = Color.from_rich_color(style.color)
            assert all(contrast(colour, Color.parse(variables[on])) >= CONTRAST for on in BACKGROUNDS), style
    assert len({look.styles[style].color for style in ("good", "bad", "mark")}) == 3


@pytest.mark.parametrize("name", THEMES)
def test_the_thumbs_of_scroll_bars_are_seen_in_every_theme(name: str) -> None:
    theme = BUILTIN_THEMES[name]
    variables = theme.to_color_system().generate() | theme.variables
    variables |= own_colours(variables)
    for state in ("", "-hover", "-active"):
        thumb, behind = (Color.parse(variables[f"scrollbar{part}{state}"]) for part in ("", "-background"))
        assert contrast(thumb, behind) >= MARKS


@given(colour=colours, background=colours)
def test_a_readable_colour_is_one_on_any_background(colour: Color, background: Color) -> None:
    found = readable(colour, [background])
    assert contrast(found, background) >= CONTRAST
    if contrast(colour, background) >= CONTRAST:
        assert found == colour


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast(Color(0, 0, 0), Color(255, 255, 255)) == pytest.approx(21)
    assert contrast(Color(255, 255, 255), Color(118, 118, 118)) == pytest.approx(4.54, abs=0.01)


def segments(app: StoreApp) -> list[Segment]:
    """What is drawn, of a dialog only the dialog: what lies below is darkened."""
    strips = app.screen._compositor.render_strips()
    for dialog in app.screen.query(".dialog, CommandList"):
        x, y, width, height = dialog.content_region
        strips = [strip.crop(x, x + width) for strip in strips[y : y + height]]
    return [segment for strip in strips for segment in strip]


def unreadable(app: StoreApp) -> set[tuple[str, float]]:
    """Texts, bars and curves on the screen without enough contrast, and how much they have."""
    found = set()
    for text, style, _ in segments(app):
        letters = "".join(letter for letter in text if letter not in LINES).strip()
        if style is None or style.color is None or style.bgcolor is None or "@mouse.down" in style.meta:
            continue  # the last are scroll bars
        if letters or BARS.intersection(text):
            ratio = contrast(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor))
            if ratio < (CONTRAST if letters else MARKS):
                found.add((letters or text, round(ratio, 2)))
    return found


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "catppuccin-latte", ""])
async def test_every_text_on_the_screens_is_readable(
    reader: StoreReader, until: Until, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not theme:
        monkeypatch.setenv("NO_COLOR", "1")
    app = StoreApp(reader)
    async with app.run_test(size=(120, 40)) as pilot:
        app.theme = theme or "textual-dark"
        for keys in (
            (),
            ("enter",),
            *((tab,) for tab in "2345671"),
            ("t",),
            ("slash",),
            ("escape", "down"),
            ("F",),
            ("escape", "o"),
            ("escape", "1"),
            ("x", "enter"),
            ("end",),
            ("v",),
            ("slash",),
            ("escape", "question_mark"),
            ("escape", "colon", "t", "h"),
        ):
            await pilot.press(*keys)
            await until(pilot, lambda: all(worker.is_finished for worker in app.workers))
            assert not unreadable(app), (app.screen, keys)


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "catppuccin-latte", ""])
async def test_every_text_of_comparisons_is_readable(
    both: StoreReader, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not theme:
        monkeypatch.setenv("NO_COLOR", "1")
    app = StoreApp(both)
    async with app.run_test(size=(120, 40)) as pilot:
        app.theme = theme or "textual-dark"
        for place in PLACES.values():
            await show(pilot, place)
            for keys in ((), ("tab", "down"), ("d",), ("question_mark",)):
                await pilot.press(*keys)
                await opened(pilot)
                assert not unreadable(app), (app.screen, keys)
            await pilot.press("escape")


async def test_without_colours_verdicts_are_bold_and_nothing_is_grey(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = StoreApp(reader, "demo", "2.evaluate.votes/0")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
        await pilot.press("end")
        await pilot.pause()
        verdicts = [(text, style) for text, style, _ in segments(app) if text in ("✓", "✗")]
        assert verdicts and all(style is not None and style.bold for _, style in verdicts)
        assert not unreadable(app)


async def test_the_theme_is_remembered(reader: StoreReader, until: Until, tmp_path: Path) -> None:
    memory = ThemeMemory(tmp_path / "state" / "restmcts" / "theme")
    app = StoreApp(reader, memory=memory)
    async with app.run_test() as pilot:
        assert app.theme == "textual-dark"
        app.action_use_theme("textual-light")
        await until(pilot, lambda: memory.read() == "textual-light")
    again = StoreApp(reader, memory=memory)
    async with again.run_test():
        assert again.theme == "textual-light"


@pytest.mark.parametrize("kept", [b"no-such-theme", b"\xff\xfe", b""])
async def test_a_theme_that_is_none_is_forgotten(reader: StoreReader, tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "theme").write_bytes(kept)
    app = StoreApp(reader, memory=ThemeMemory(tmp_path / "theme"))
    async with app.run_test():
        assert app.theme == "textual-dark"


async def test_a_theme_that_cannot_be_remembered_is_used_all_the_same(
    reader: StoreReader, until: Until, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    memory = ThemeMemory(tmp_path / "file" / "theme")
    with pytest.raises(RestmctsError, match="not remembered"):
        memory.write("nord")
    app = StoreApp(reader, memory=memory)
    async with app.run_test() as pilot:
        app.action_use_theme("nord")
        await until(pilot, lambda: any("not remembered" in note.message for note in app._notifications))
        assert app.theme == "nord" and isinstance(app.screen, RunsScreen)


def test_the_theme_is_kept_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert theme_file() == tmp_path / "restmcts" / "theme"
