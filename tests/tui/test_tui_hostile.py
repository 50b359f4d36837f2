"""Model text that wants to break the screen: escapes, markup, reordering, a megabyte."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from store.events import Critiqued, Expanded, RolledOut, Selected, Step, Stopped
from store.index.reader import StoreReader
from store.joiners import split_at_joiners
from store.queries import TreeFilter
from store.records import Checkpoint, Evaluation, Metric, PolicySample
from tests.tui.made_searches import custom, header, mcts
from tests.tui.tui_support import Until, open_run
from tui.app import StoreApp
from tui.messages import ReadFailed
from tui.places import TreesPlace
from tui.screens.filter_form import FilterForm
from tui.screens.problem import ProblemScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.trees import TreesScreen
from tui.widgets.filter_line import FilterLine
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

pytestmark = pytest.mark.asyncio

EVIL = (
    "\x1b[2J\x1b]0;owned\x07\x1b[31m[bold red]m[/] [/nonsense] [@click=app.quit]x[/] $x {y} \x9b31m\r\x08\x00"
    "\u202eabc\u2066 \u200b\ufeff z" + "\u0301" * 400 + " 漢字 \U0001f469\u200d\U0001f52c\n\n\n"
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    with open_run(tmp_path, "evil") as writer:
        writer.start_phase("1.search", "search", 1)
        big = Step("word " * 200_000)
        flat = Step("\u0301x" * 500_000)
        events = (
            Selected(0),
            Expanded(0, (Step(EVIL * 50, (1,), -1.0), big, flat), (1, 1, 1)),
            Critiqued(1, True, EVIL, EVIL),
            RolledOut(2, (Step(EVIL), big), (0.5, 0.5), 0.5, 0.5, 1),
            Stopped("failed", 1, EVIL, EVIL),
        )
        record = custom(0, *events, question=EVIL, problem=EVIL, oracle=EVIL, policy=EVIL, method=EVIL)
        writer.add_tree(record)
        writer.add_tree(replace(mcts(1), header=header(1, answer_by=EVIL, settings={EVIL: EVIL})))
        writer.add_metric(Metric("evil", "1.search", 1, EVIL, 0.5))
        writer.add_evaluation(
            Evaluation("evil", "1.search", 1, EVIL, 9, 1.0, 2, 1, 0.5, 0.1, 0.9, 9.0, 0.0, rule=EVIL)
        )
        made = Checkpoint(
            "evil", 1, "value", "checkpoints/1/value", None, True, {"squared_error": 0.1, EVIL: EVIL}
        )
        writer.layout.checkpoint(1, "value").mkdir(parents=True)
        writer.add_checkpoint(made)
        writer.write_samples(
            "1.label", [PolicySample(EVIL, EVIL, (Step(EVIL),), ("1.search/0",), 1.0, "trace")]
        )
        writer.finish_phase("1.search", {EVIL: EVIL})
    return tmp_path


def table(pilot: Pilot[None], name: str) -> RowTable:
    return pilot.app.screen.query_one(f"#{name}", RowTable)


def screen_text(pilot: Pilot[None]) -> str:
    widgets = pilot.app.screen.query("*")
    return "".join(strip.text for widget in widgets for strip in widget.render_lines(widget.size.region))


def assert_harmless(text: str) -> None:
    bad = {
        letter
        for letter in "".join(split_at_joiners(text)[::2])
        if unicodedata.category(letter) in {"Cc", "Cf", "Cs"}
    }
    assert not bad - {"\n"}


async def test_every_screen_stands_hostile_text(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.screen.query_one("#detail", LinesPane).text)
            assert_harmless(screen_text(pilot))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.page)
            for tab in "2345671":
                await pilot.press(tab)
                await pilot.app.workers.wait_for_complete()
                await pilot.pause()
                assert_harmless(screen_text(pilot))
            await pilot.press("t")
            await until(pilot, lambda: isinstance(app.screen, TreesScreen))
            await until(pilot, lambda: app.screen.query_one("#trees", RowTable).row_count == 2)
            assert "␛[2J" in app.screen.query_one("#trees", RowTable).get_row_at(0)[-1].plain
            await pilot.press("1")
            assert_harmless(screen_text(pilot))
            await pilot.press("x")
            await until(pilot, lambda: app.screen.query_one("#trees", RowTable).row_count == 2)
            await pilot.press("home", "enter")
            await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
            for key in (
                "right",
                "right",
                "right",
                "right",
                "right",
                "w",
                "f",
                "down",
                "down",
                "down",
                "w",
                "up",
                "v",
                "x",
                "end",
                "u",
            ):
                start = perf_counter()
                await pilot.press(key)
                assert perf_counter() - start < 5
                assert_harmless(screen_text(pilot))
            assert "␛" in app.screen.query_one("#timeline", LinesBar).text


async def test_solutions_and_filters_of_hostile_text_are_harmless(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(160, 40)) as pilot:
            await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
            # The index has no lone surrogates and keeps all other letters.
            app.go(TreesPlace("evil", filter=TreeFilter("evil", methods=(EVIL,), text=EVIL[:40])))
            await until(pilot, lambda: isinstance(app.screen, TreesScreen))
            await until(pilot, lambda: app.screen.query_one("#trees", RowTable).row_count == 1)
            await until(pilot, lambda: "␛[2J" in app.screen.query_one("#preview", LinesPane).text)
            assert_harmless(screen_text(pilot))
            assert_harmless(app.screen.query_one(FilterLine).value)
            assert_harmless(app.screen.query_one("#preview", LinesPane).text)
            await pilot.press("F")
            await until(pilot, lambda: isinstance(app.screen, FilterForm))
            assert_harmless(screen_text(pilot))


async def test_markup_is_shown_and_not_obeyed(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader, "evil", "1.search/0")
        async with app.run_test(size=(200, 50)) as pilot:
            await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
            await pilot.press("right", "right")
            text = app.screen.query_one("#node", LinesPane).text
            assert "[bold red]m[/] [/nonsense] [@click=app.quit]x[/]" in text
            assert "␛[2J␛]0;owned␇" in text
            assert "<u202e>abc" in text


async def test_a_huge_step_is_cut_with_a_note(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader, "evil", "1.search/0")
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
            await pilot.press("right", "right", "f", "down", "down")
            text = app.screen.query_one("#node", LinesPane).text
            assert "950,000 more characters" in text
            assert len(text) < 60_000


async def test_the_problem_is_one_safe_line(hostile: Path, until: Until) -> None:
    with StoreReader(hostile) as reader:
        app = StoreApp(reader)
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
            app.screen.post_message(ReadFailed("bad line: " + EVIL))
            await until(pilot, lambda: isinstance(app.screen, ProblemScreen))
            assert isinstance(app.screen, ProblemScreen)
            assert app.screen.reason.startswith("bad line: ␛[2J")
            assert "\n" not in app.screen.reason
            assert_harmless(screen_text(pilot))
            await pilot.press("escape")
            assert not isinstance(app.screen, ProblemScreen)
            assert app.is_running


async def test_a_broken_line_is_a_message(hostile: Path, until: Until) -> None:
    path = hostile / "runs" / "evil" / "trees" / "1.search.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], re.sub(rb'"events":\[', b'"events":[7,', lines[1]), b""]))
    with StoreReader(hostile) as reader:
        app = StoreApp(reader, "evil")
        async with app.run_test() as pilot:
            await until(
                pilot,
                lambda: app.screen.query("#trees") and app.screen.query_one("#trees", RowTable).row_count,
            )
            await pilot.press("down", "enter")
            await until(pilot, lambda: isinstance(app.screen, ProblemScreen))
            assert isinstance(app.screen, ProblemScreen)
            assert "1.search" in app.screen.reason
            await pilot.press("escape")
            assert isinstance(app.screen, TreesScreen)
