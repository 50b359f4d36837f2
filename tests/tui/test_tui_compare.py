"""Comparing two sides, several, and two searches beside each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from store.events import Critiqued, Expanded, Step, Stopped
from store.index.reader import StoreReader
from store.queries import Side
from tests.cli.commands import restmcts
from tests.tui.made_searches import custom, votes
from tests.tui.test_tui_hostile import EVIL, assert_harmless, screen_text
from tests.tui.test_tui_keys import KEYS
from tests.tui.tui_support import PROBLEMS, Until, open_run, screen_of
from tui.app import StoreApp
from tui.compare.marks import MarkedSides, side_of_run
from tui.compare.rows import end_of, share_cell
from tui.palette import comparable
from tui.places import ComparePlace, MatrixPlace, Place, SideBySidePlace
from tui.screens.compare import CompareScreen
from tui.screens.matrix import MatrixScreen
from tui.screens.problem import ProblemScreen
from tui.screens.replay import ReplayScreen
from tui.screens.side_by_side import SideBySideScreen
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from textual.pilot import Pilot

FINAL = "final.evaluate"
MCTS, VOTES = (
    Side("one", FINAL, "mcts", "best-value", 4000),
    Side("one", FINAL, "votes", "majority", 4000),
)
METHODS = ComparePlace(MCTS, VOTES)
RUNS = ComparePlace(side_of_run("one"), side_of_run("two"))
ANSWERED = (f"{FINAL}/4", f"{FINAL}/15")
"""Searches that ended with an answer in both runs."""

PAIR = SideBySidePlace("one", ANSWERED[0], "two", ANSWERED[0], tuple((tree, tree) for tree in ANSWERED))
SEVERAL = MatrixPlace((MCTS, VOTES, Side("two", FINAL, "mcts")))
PLACES: dict[str, Place] = {"methods": METHODS, "runs": RUNS, "pair": PAIR, "several": SEVERAL}


async def opened(pilot: Pilot[None]) -> None:
    """Wait until everything that was asked for has been read; reads that others took over were cancelled."""
    for _ in range(2):
        await pilot.pause()
        while any(worker.is_running for worker in pilot.app.workers):
            await pilot.pause(0.01)
        await pilot.pause()


async def show(pilot: Pilot[None], place: Place) -> None:
    await opened(pilot)
    app = pilot.app
    assert isinstance(app, StoreApp)
    app.go(place)
    await opened(pilot)


def table(app: StoreApp, name: str) -> RowTable:
    return app.screen.query_one(f"#{name}", RowTable)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_two_methods_and_the_problems_of_each_set(
    both: StoreReader, until: Until, size: tuple[int, int]
) -> None:
    compared = both.compare(MCTS, VOTES)
    sets = [len(each) for each in (compared.only_a, compared.only_b, compared.none, compared.both)]
    assert sum(sets) == PROBLEMS and all(sets[:2]), "the made searches disagree"
    app = StoreApp(both)
    async with app.run_test(size=size) as pilot:
        await show(pilot, METHODS)
        assert isinstance(app.screen, CompareScreen)
        for key, number in enumerate(sets, 1):
            await pilot.press(f"{key}")
            assert table(app, "problems").row_count == number
        text = screen_of(app)
        accuracy = (sets[0] + sets[3]) / PROBLEMS
        for wanted in (f"1 only A {sets[0]}", f"2 only B {sets[1]}", f"{100 * accuracy:.1f}"):
            assert wanted in text
        assert f"A one/{FINAL}/mcts@4000" in text and f"B one/{FINAL}/votes@4000" in text
        await pilot.press("s")
        await until(pilot, lambda: f"A one/{FINAL}/votes@4000" in screen_of(app))
        assert f"2 only B {sets[0]}" in screen_of(app)


async def test_runs_are_compared_by_every_method_that_both_have(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(120, 40)) as pilot:
        await show(pilot, RUNS)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: table(app, "contrasts").row_count == 2 and "…" not in screen_of(app))
        assert "differ in" in screen_of(app) and "seed 0 → 1" in screen_of(app)
        assert screen.sides[0].method == "votes", "the last one"
        await pilot.press("up")
        await until(pilot, lambda: screen.page is not None and screen.page.row.sides[0].method == "mcts")
        assert table(app, "contrasts").cursor_row == 0
        await pilot.press("d")
        await until(pilot, lambda: "seed" in screen.query_one("#settings", LinesPane).text)
        assert not table(app, "problems").display


async def test_a_problem_is_opened_side_by_side_and_alone(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(120, 40)) as pilot:
        await show(pilot, METHODS)
        await pilot.press("enter", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, SideBySideScreen) and app.screen.alike)
        screen = app.screen
        assert isinstance(screen, SideBySideScreen)
        wanted = both.compare(MCTS, VOTES).only_a[1]
        assert (screen.place.tree_a, screen.place.tree_b) == (wanted.tree_a, wanted.tree_b)
        assert wanted.question in screen_of(app)
        await pilot.press("K")
        await until(pilot, lambda: app.screen is not screen and app.screen.alike)  # type: ignore[attr-defined]
        assert app.screen.place.tree_a == both.compare(MCTS, VOTES).only_a[0].tree_a  # type: ignore[attr-defined]
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))


async def test_the_other_search_follows_by_tokens(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(120, 40)) as pilot:
        await show(pilot, PAIR)
        screen = app.screen
        assert isinstance(screen, SideBySideScreen)
        players = [screen.half(letter).opened.player for letter in "AB"]  # type: ignore[union-attr]
        assert [player.position for player in players] == [player.length for player in players]
        await pilot.press("home")
        assert [player.position for player in players] == [0, 0]
        for _ in range(12):
            await pilot.press("right")
            spent = [player.survey.tokens[player.position] for player in players]
            assert spent[1] <= spent[0]
            after = players[1].position + 1
            assert after > players[1].length or players[1].survey.tokens[after] > spent[0]
        await pilot.press("tab")
        assert screen.active.letter == "B"
        await pilot.press("L", "end")
        assert players[1].position == players[1].length and players[0].position == 12
        await pilot.press("d")
        found = screen.alike
        assert found is not None and found.apart_a is not None and found.apart_b is not None
        assert (screen.half("A").pane.cursor, screen.half("B").pane.cursor) == (found.apart_a, found.apart_b)
        assert f"≠ {found.steps} steps alike" in screen.query_one("#pair", LinesBar).text
        assert screen_of(app).count("≠") == 3, "one in each tree, one in the foot"


async def test_the_cursor_goes_to_the_same_steps_on_the_other_side(both: StoreReader) -> None:
    place = SideBySidePlace("one", ANSWERED[0], "one", ANSWERED[0])
    app = StoreApp(both)
    async with app.run_test(size=(80, 24)) as pilot:
        await show(pilot, place)
        screen = app.screen
        assert isinstance(screen, SideBySideScreen)
        await pilot.press("k", "k", "k")
        assert screen.half("B").pane.cursor == screen.half("A").pane.cursor
        assert "do not part" in screen.query_one("#pair", LinesBar).text


async def test_several_sides(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(80, 24)) as pilot:
        await show(pilot, SEVERAL)
        assert isinstance(app.screen, MatrixScreen)
        assert table(app, "matrix").row_count == PROBLEMS
        assert "two/final.evaluate/mcts@4000" in screen_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SideBySideScreen) and app.screen.alike)
        halves = [app.screen.half(letter).opened for letter in "AB"]  # type: ignore[attr-defined]
        assert [half.player.record.result.correct for half in halves] == [True, False]


async def test_another_side_is_chosen_by_its_name(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(80, 24)) as pilot:
        await show(pilot, METHODS)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await pilot.press("b", "ctrl+u", *"two", "enter")
        await until(pilot, lambda: screen.sides[1].run == "two")
        assert screen.sides == (MCTS, Side("two", FINAL, "mcts", "best-value", 4000))
        await pilot.press("a", "ctrl+u", *"tow", "enter")
        await until(pilot, lambda: type(app.screen) is ProblemScreen)
        assert isinstance(app.screen, ProblemScreen)
        assert "did you mean 'two'" in app.screen.reason


async def test_problems_are_found_by_their_text(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(80, 24)) as pilot:
        await show(pilot, METHODS)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        whole = len(screen.problems())
        wanted = screen.problems()[0].problem
        await pilot.press("slash", *wanted, "enter")
        await until(pilot, lambda: table(app, "problems").row_count == 1)
        await pilot.press("x")
        await until(pilot, lambda: table(app, "problems").row_count == whole)


async def test_the_command_line_compares(both: StoreReader, until: Until) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        await pilot.press("colon", *f"compare one/{FINAL}/mcts one/{FINAL}/votes")
        await pilot.pause(0.1)
        await pilot.app.workers.wait_for_complete()
        await until(pilot, lambda: "compare one/final.evaluate/mcts@4000" in screen_of(app))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.page)
        assert app.screen.sides == (MCTS, VOTES)  # type: ignore[attr-defined]


def test_what_is_typed_is_completed_to_pairs_that_there_are(both: StoreReader) -> None:
    runs = (side_of_run("one"), side_of_run("two"))
    assert comparable(both, None, "one two") == [runs]
    assert (MCTS, VOTES) in comparable(both, "one", f"'one/{FINAL}/mcts@4000' ")
    assert comparable(both, "one", "'unfinished quotation") == []
    assert comparable(both, None, "a b c") == []


def test_marked_sides_are_compared_in_the_order_of_marking() -> None:
    marks = MarkedSides()
    assert marks.place() is None and marks.place(MCTS) is None
    marks.toggle(VOTES)
    assert marks.place(MCTS) == ComparePlace(VOTES, MCTS) and marks.place(VOTES) is None
    marks.toggle(MCTS)
    assert list(marks) == [VOTES, MCTS] and marks.place() == ComparePlace(VOTES, MCTS)
    marks.toggle(side_of_run("two"))
    assert marks.place() == MatrixPlace((VOTES, MCTS, Side("two", "", "")))
    marks.toggle(MCTS)
    assert MCTS not in marks and len(marks) == 2
    marks.clear()
    assert len(marks) == 0


async def test_sides_without_a_common_problem_say_so(both: StoreReader) -> None:
    app = StoreApp(both)
    async with app.run_test(size=(80, 24)) as pilot:
        await show(pilot, ComparePlace(MCTS, Side("one", FINAL, "no such method", "rule")))
        assert isinstance(app.screen, ProblemScreen)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A store in which two methods with hostile names searched a hostile problem."""
    asked = {"problem": EVIL, "question": EVIL}
    with open_run(tmp_path, "evil") as writer:
        writer.start_phase(FINAL, "evaluate", 1)
        writer.add_tree(votes(0, FINAL, traces=1, **asked, method=EVIL))
        writer.add_tree(votes(1, FINAL, traces=3, **asked, method=f"{EVIL} too"))
        big = custom(
            2,
            Expanded(0, (Step(EVIL * 50), Step("word " * 100_000)), (1, 1)),
            Critiqued(1, True, EVIL, EVIL),
            Stopped("failed", 1, EVIL, EVIL),
            phase=FINAL,
            **asked,
            method="big",
        )
        writer.add_tree(big)
        writer.finish_phase(FINAL, {EVIL: EVIL})
    return tmp_path


async def test_hostile_text_is_shown_and_not_obeyed(evil: Path) -> None:
    sides = [Side("evil", FINAL, method) for method in (EVIL, f"{EVIL} too", "big")]
    with StoreReader(evil) as reader:
        assert [pair.problem for pair in reader.compare(sides[0], sides[2]).pairs] == [EVIL]
        app = StoreApp(reader)
        async with app.run_test(size=(100, 30)) as pilot:
            for place, shown in (
                (ComparePlace(sides[0], sides[2]), CompareScreen),
                (MatrixPlace(tuple(sides)), MatrixScreen),
                (SideBySidePlace("evil", f"{FINAL}/0", "evil", f"{FINAL}/2"), SideBySideScreen),
            ):
                await show(pilot, place)
                assert isinstance(app.screen, shown)
                assert_harmless(screen_text(pilot))
                await pilot.press("right", "down", "d", "4", "home", "right", "right")
                await opened(pilot)
                assert_harmless(screen_text(pilot))


def test_hostile_text_is_harmless_in_the_command(evil: Path) -> None:
    names = [f"evil/{FINAL}/big", f"evil/{FINAL}"]
    for form in ((), ("--markdown",), ("--json",)):
        assert_harmless(restmcts("compare", *names, "--root", evil, *form).output)


@given(st.floats(0, 1))
def test_a_share_fits_its_column(share: float) -> None:
    text, style = share_cell(share)
    assert len(text) <= 5 and text.endswith("✓" if share >= 0.5 else "✗")
    assert style == ("good" if share >= 0.5 else "bad")
    assert (text in "✓✗") == (share in (0, 1))


@given(st.text(max_size=60), st.integers(2, 30))
def test_the_end_of_a_name_fits(name: str, width: int) -> None:
    shown = end_of(name, width)
    assert cell_len(shown) <= width
    assert_harmless(shown)


def showing(place: Place) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def prepare(pilot: Pilot[None]) -> None:
        await show(pilot, place)
        while "…  …" in screen_of(pilot.app):  # rows that are still being worked out
            await opened(pilot)

    return prepare


@pytest.mark.parametrize(("place", "size"), [("runs", (80, 24)), ("methods", (120, 40)), ("pair", (120, 40))])
def test_how_it_looks(
    both: StoreReader,
    snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    size: tuple[int, int],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    app = StoreApp(both)
    assert snap_compare(app, run_before=showing(PLACES[place]), terminal_size=size)


@given(place=st.sampled_from(sorted(PLACES)), keys=st.lists(st.sampled_from(KEYS), min_size=5, max_size=40))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_keys_break_a_screen(pair: Path, place: str, keys: list[str]) -> None:
    async def press() -> None:
        with StoreReader(pair) as reader:
            app = StoreApp(reader)
            async with app.run_test(size=(80, 24)) as pilot:
                await show(pilot, PLACES[place])
                await pilot.press(*keys)
                await opened(pilot)
                assert app.is_running

    asyncio.run(press())
