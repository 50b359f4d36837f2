"""How the screens look, at fixed sizes, over a store that is always the same."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from textual._doc import take_svg_screenshot

from tui.app import StoreApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from store.index.reader import StoreReader

WINDOW = {"#ff5f57", "#febc2e", "#28c840", "#c5c8c6"}
"""The buttons and the title of the window that a screenshot draws around the terminal."""

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    yield


def pressing(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Press ``keys`` once the screen has read what it shows."""

    async def prepare(pilot: Pilot[Any]) -> None:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    return prepare


def test_trees(reader: StoreReader, snap_compare: Compare) -> None:
    assert snap_compare(StoreApp(reader, "demo"), run_before=pressing("down"), terminal_size=(80, 24))


def test_trees_wide(reader: StoreReader, snap_compare: Compare) -> None:
    app = StoreApp(reader, "demo", phase="2.evaluate.votes")
    assert snap_compare(app, run_before=pressing("down"), terminal_size=(120, 40))


def test_replay_small(reader: StoreReader, snap_compare: Compare) -> None:
    app = StoreApp(reader, "demo", "1.search/1")
    keys = ("right_square_bracket", "right_square_bracket", *["right"] * 4)
    assert snap_compare(app, run_before=pressing(*keys), terminal_size=(80, 24))


def test_replay_wide_at_the_end(reader: StoreReader, snap_compare: Compare) -> None:
    app = StoreApp(reader, "demo", "1.search/1")
    assert snap_compare(app, run_before=pressing("end"), terminal_size=(120, 40))


def test_help(reader: StoreReader, snap_compare: Compare) -> None:
    app = StoreApp(reader, "demo", "1.search/1")
    assert snap_compare(app, run_before=pressing("question_mark"), terminal_size=(100, 40))


def test_problem(reader: StoreReader, snap_compare: Compare) -> None:
    app = StoreApp(reader, "demo", "1.search/9999")
    assert snap_compare(app, run_before=pressing(), terminal_size=(80, 24))


def test_without_colour_the_numbers_stay(reader: StoreReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = StoreApp(reader, "demo", "1.search/1")
    svg = take_svg_screenshot(
        app=app, run_before=pressing("right", "right", "right"), terminal_size=(100, 30)
    )
    colours = {match.lower() for match in re.findall(r"fill: ?\"?(#[0-9a-fA-F]{6})", svg)}
    assert colours
    assert all(colour[1:3] == colour[3:5] == colour[5:7] for colour in colours - WINDOW)
    assert re.search(r"0\.\d\d", svg)
