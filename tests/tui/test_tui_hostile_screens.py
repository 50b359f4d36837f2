"""Every screen and every dialog over a store in which every text wants to break them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.screen import ModalScreen, Screen

from docs.generate.screens import holders
from store.index.reader import StoreReader
from store.queries import Side, TreeFilter
from tests.tui.hostile_store import NUMBERS, OTHER, PHASE, RUN, second, write_hostile_store
from tests.tui.page_texts import HOSTILE
from tests.tui.test_tui_compare import opened
from tests.tui.test_tui_hostile import assert_harmless
from tui.app import StoreApp
from tui.places import (
    ComparePlace,
    MatrixPlace,
    Place,
    ReplayPlace,
    RunPlace,
    SideBySidePlace,
    TreesPlace,
)
from tui.screens.base import StoreScreen

if TYPE_CHECKING:
    from textual.pilot import Pilot

pytestmark = pytest.mark.asyncio

SIZE = (110, 32)
REPLAY = ("home right right", "right right down", "u", "v", "w x", "end less_than_sign")

DOWN = " ".join(["down"] * 4)
IN_TERMINALS = ("ansi", "osc", "c1", "markup", "bidi", "marks", "wide", "lines", "long")
"""The kinds that a terminal may heed; the others are for pages, and in the lists here."""
CUT = "\U0001f469\u200d"
"""A row may end inside of an emoji."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    write_hostile_store(root)
    return root


@pytest.fixture
def app(hostile: Path) -> Iterator[StoreApp]:
    with StoreReader(hostile) as reader:
        yield StoreApp(reader)


def assert_shown_and_not_obeyed(app: StoreApp, where: object) -> None:
    """No letter that a terminal obeys is drawn, no link, and no action that a text asks for."""
    for strip in app.screen._compositor.render_strips():
        assert_harmless(strip.text.replace(CUT, ""))
        for text, style, control in strip:
            assert not control, (where, control)
            if style is not None:
                assert not style.link, (where, text)
                assert "app.quit" not in str(style.meta), (where, text)


async def visit(pilot: Pilot[None], *keys: str) -> None:
    """Press keys, several where spaces stand between them, and look at the screen after each time."""
    app = pilot.app
    assert isinstance(app, StoreApp)
    for key in ("", *keys):
        await pilot.press(*key.split())
        await opened(pilot)
        assert_shown_and_not_obeyed(app, (app.screen, key))


def typed(text: str) -> str:
    """The keys that type a text."""
    return " ".join(text.replace(" ", "␠")).replace("␠", "space")


async def go(pilot: Pilot[None], place: Place, *keys: str) -> None:
    app = pilot.app
    assert isinstance(app, StoreApp)
    app.go(place)
    await visit(pilot, *keys)


async def test_lists_and_the_page_of_a_run(app: StoreApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await visit(pilot, "down up y", "slash", "escape question_mark", "escape")
        await go(
            pilot, RunPlace(RUN), *"23", "4 down", "5", f"{DOWN} {DOWN}", "6", f"{DOWN} {DOWN}", "7", "d"
        )
        await visit(pilot, "3 space down space", "question_mark", "escape")
        await go(pilot, TreesPlace(RUN), DOWN, "o", "escape y", "end", *"39", "x")


async def test_commands_and_completions_of_hostile_names(app: StoreApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await go(pilot, RunPlace(RUN), "colon", typed("compare evil/1.search/"), "down down", "escape escape")
        await go(
            pilot, TreesPlace(RUN), "slash", typed("method:"), "right escape", "F", f"down {typed('[</')}"
        )


@pytest.mark.parametrize("kind", IN_TERMINALS)
async def test_a_search_and_its_comparisons(app: StoreApp, kind: str) -> None:
    text, number = HOSTILE[kind], NUMBERS[kind]
    right, wrong = (f"{PHASE}/{each}" for each in (number, number + 1))
    a, b = Side(RUN, PHASE, text, "best-value", 9), Side(RUN, PHASE, second(text))
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await go(pilot, ReplayPlace(RUN, right), *REPLAY, "y", "apostrophe", "escape")
        await go(pilot, SideBySidePlace(RUN, right, RUN, wrong), "d", "home right right")
        await go(pilot, ComparePlace(a, b), "1", "4", "d", "a", "escape b", "escape slash", "escape")
        await go(pilot, MatrixPlace((a, b, Side(OTHER, PHASE, text, "best-value", 9))), "down")
        await go(pilot, TreesPlace(RUN, filter=TreeFilter(RUN, methods=(text,))), "F", "escape x")


async def test_runs_with_hostile_settings_are_compared(app: StoreApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await go(
            pilot, ComparePlace(Side(RUN, "", ""), Side(OTHER, "", "")), "d", "tab tab pagedown pagedown"
        )


async def test_no_screen_is_left_out() -> None:
    """The names of the screens that the tests above visit; a new one has to be visited too."""
    dialogs = {"ChoiceScreen", "FilterForm", "HelpScreen", "PromptScreen", "ProblemScreen"}
    shared = {"StoreScreen", "TakingScreen", "MarkingScreen", "ReplayMoves"}
    visited = {"RunsScreen", "RunScreen", "TreesScreen", "ReplayScreen"}
    visited |= {"CompareScreen", "MatrixScreen", "SideBySideScreen"}
    kinds = {name for name, kind in holders().items() if issubclass(kind, Screen)}
    assert kinds == dialogs | shared | visited
    assert all(issubclass(holders()[name], ModalScreen) for name in dialogs)
    assert all(issubclass(holders()[name], StoreScreen) for name in visited)
