"""The screens of runs and of trees, key by key, in the real application over a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.geometry import Offset
from textual.widgets import OptionList

from store.index.reader import StoreReader
from store.queries import TreeFilter
from store.records import Evaluation
from tests.tui.tui_support import SEARCHES, Until, open_run, screen_of
from tui.app import StoreApp
from tui.messages import PageRead
from tui.screens.help import HelpScreen
from tui.screens.replay import ReplayScreen
from tui.screens.runs import RunsScreen
from tui.screens.trees import WIDE, TreesScreen
from tui.trees.pages import PAGE
from tui.widgets.filter_line import FilterLine
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

pytestmark = pytest.mark.asyncio

TREES = SEARCHES + 5
PREVIEW = 64  # cells that the chosen tree takes at most beside the list


def table(pilot: Pilot[None], name: str) -> RowTable:
    return pilot.app.screen.query_one(f"#{name}", RowTable)


def column(pilot: Pilot[None], name: str, key: str) -> list[str]:
    return [text.plain for text in table(pilot, name).get_column(key)]


def status(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#filters", LinesBar).text


async def open_trees(pilot: Pilot[None], until: Until) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, TreesScreen) and table(pilot, "trees").row_count)


async def shown(pilot: Pilot[None], until: Until, start: str) -> None:
    await until(pilot, lambda: status(pilot).startswith(start))


async def ordered(pilot: Pilot[None], until: Until, title: str) -> None:
    await until(pilot, lambda: f"by {title} " in status(pilot))


async def test_runs_and_what_they_did(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one("#detail", LinesPane).text)
        assert column(pilot, "runs", "run") == ["demo"]
        assert column(pilot, "runs", "trees") == [str(TREES)]
        assert column(pilot, "runs", "held-out accuracy") == ["votes 4000 60.0% (23.1 to 88.2)"]
        assert column(pilot, "runs", "status") == ["done"]
        assert "60.0 (23 to 88)  votes 4000" in app.screen.query_one("#detail", LinesPane).text


async def test_keys_of_the_runs(app: StoreApp, until: Until) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: table(pilot, "runs").row_count)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("t")
        await open_trees(pilot, until)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("q")
    assert app.return_code == 0


async def test_an_empty_store_says_so_on_the_screen(tmp_path: Path, demo: Path, until: Until) -> None:
    root = tmp_path / "new store"
    root.mkdir()
    (tmp_path / "other").symlink_to(demo)
    with StoreReader(root) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: "no runs yet" in screen_of(app))
            said = app.screen.query_one("#no-runs", LinesPane).text.replace("\n", " ")
            assert f"restmcts iterate tiny --root '{root}'" in said
            assert f"restmcts tui --root {tmp_path / 'other'}" in said
            await pilot.press("enter", "1", "j")
            assert isinstance(app.screen, RunsScreen)
            with open_run(root, "first") as writer:
                writer.sync_index()
                await until(pilot, lambda: table(pilot, "runs").row_count == 1)
                assert "no runs yet" not in screen_of(app)
                await until(pilot, lambda: app.focused is table(pilot, "runs"))


async def test_evaluations_of_one_iteration_are_told_apart(tmp_path: Path, until: Until) -> None:
    with open_run(tmp_path, "twice") as writer:
        for phase, accuracy in (("2.evaluate", 0.815), ("final.evaluate", 0.825)):
            writer.start_phase(phase, "evaluate", 2)
            row = Evaluation(
                "twice", phase, 2, "greedy", None, 1.0, 200, 165, accuracy, 0.75, 0.875, 17.0, 0.0
            )
            writer.add_evaluation(row)
            writer.finish_phase(phase, {})
    with StoreReader(tmp_path) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: table(pilot, "runs").row_count)
            assert column(pilot, "runs", "held-out accuracy") == ["greedy 81.5% → 82.5% (75.0 to 87.5)"]
            await pilot.press("enter")
            await until(pilot, lambda: app.screen.query("#evaluations"))
            await pilot.press("3")
            await until(pilot, lambda: table(pilot, "evaluations").row_count)
            assert column(pilot, "evaluations", "phase") == ["2.evaluate", "final.evaluate"]
            await until(pilot, lambda: "final.evaluate" in screen_of(app))


async def test_help_lists_the_keys_that_work_here(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(120, 50)) as pilot:
        await open_trees(pilot, until)
        await until(pilot, lambda: app.focused is table(pilot, "trees"))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.pause()
        text = app.screen.query_one(LinesPane).text
        here = app.screen_stack[-2].active_bindings.values()
        missing = {active.binding.description for active in here if active.enabled and active.binding.id}
        assert missing
        assert all(description in text for description in missing)
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_pages(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        assert status(pilot).startswith(f"1 to {PAGE} of {TREES}")
        assert table(pilot, "trees").row_count == PAGE
        await pilot.press("b")
        assert status(pilot).startswith("1 to")
        await pilot.press("n")
        await shown(pilot, until, f"{PAGE + 1} to {TREES}")
        assert table(pilot, "trees").row_count == TREES - PAGE
        assert table(pilot, "trees").cursor_row == 0
        await pilot.press("n", "b")
        await shown(pilot, until, "1 to")


async def test_filters(reader: StoreReader, until: Until) -> None:
    solved = reader.count_trees(TreeFilter("demo", solved=True))
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        await typed(pilot, "solved:yes")
        await shown(pilot, until, f"1 to {solved} of {solved} ·")
        assert set(column(pilot, "trees", "correct")) == {"✓"}
        await pilot.press("x")
        await shown(pilot, until, f"1 to {PAGE} of {TREES}")
        assert app.screen.query_one(FilterLine).value == ""
        await typed(pilot, "solved:no")
        await shown(pilot, until, f"1 to {TREES - solved} of {TREES - solved}")
        await pilot.press("x")
        await typed(pilot, "method:votes")
        await shown(pilot, until, "1 to 5 of 5")
        assert "method" not in [each.value for each in table(pilot, "trees").columns]
        await pilot.press("x")
        await typed(pilot, "iteration:1 phase:1.search")
        await shown(pilot, until, f"1 to {PAGE} of {SEARCHES}")
        assert column(pilot, "trees", "id")[:2] == ["0", "1"]


async def typed(pilot: Pilot[None], text: str) -> None:
    await pilot.press("slash", *text, "enter")
    assert pilot.app.screen.focused is table(pilot, "trees")


async def test_an_answer_to_an_older_question_is_dropped(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        assert isinstance(app.screen, TreesScreen)
        old = app.screen.page
        assert old is not None
        await typed(pilot, "method:votes")
        await shown(pilot, until, "1 to 5 of 5")
        app.screen.post_message(PageRead(old))
        await pilot.pause()
        assert status(pilot).startswith("1 to 5 of 5")
        assert table(pilot, "trees").row_count == 5


async def test_finding_text(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        await pilot.press("slash", *"sum-0123")
        await shown(pilot, until, "1 to 1 of 1")
        assert isinstance(app.focused, FilterLine)
        await pilot.press("escape")
        assert app.screen.focused is table(pilot, "trees")
        await pilot.press("slash", *"xyz")
        await shown(pilot, until, "no trees")
        await pilot.press("enter", "enter", "x")
        await shown(pilot, until, f"1 to {PAGE} of {TREES}")
        assert isinstance(app.screen, TreesScreen)


async def test_sorting_by_key_and_by_click(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(120, 40)) as pilot:
        await open_trees(pilot, until)

        def sizes() -> list[int]:
            return [int(text.replace(",", "")) for text in column(pilot, "trees", "nodes")]

        def place(name: str) -> Offset:
            found = table(pilot, "trees").ordered_columns
            before = found[: [each.key.value for each in found].index(name)]
            left = sum(each.get_render_width(table(pilot, "trees")) for each in before)
            return table(pilot, "trees").region.offset + Offset(left + 2, 0)

        await pilot.resize_terminal(119, 40)
        await until(pilot, lambda: "nodes" in [each.value for each in table(pilot, "trees").columns])
        await pilot.click(offset=place("nodes"))
        await until(pilot, lambda: "by nodes ↑" in status(pilot) and sizes() == sorted(sizes()))
        await pilot.click(offset=place("nodes"))
        await until(pilot, lambda: "by nodes ↓" in status(pilot) and sizes() == sorted(sizes(), reverse=True))
        await pilot.press("O")
        await until(pilot, lambda: "by nodes ↑" in status(pilot) and sizes() == sorted(sizes()))
        await pilot.press("o", "s", "s", "enter")
        await ordered(pilot, until, "seed")
        await until(pilot, lambda: "seed" in [each.value for each in table(pilot, "trees").columns])


async def test_reading_again_keeps_the_place(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        await pilot.press("pagedown", "pagedown", "down")
        await pilot.pause()
        before = (table(pilot, "trees").chosen, table(pilot, "trees").scroll_offset)
        assert before[1].y > 0
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert (table(pilot, "trees").chosen, table(pilot, "trees").scroll_offset) == before
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        assert isinstance(app.screen, ReplayScreen)
        assert app.screen.tree_name == before[0]
        await pilot.press("escape")
        assert (table(pilot, "trees").chosen, table(pilot, "trees").scroll_offset) == before


@pytest.mark.parametrize("size", [(80, 24), (119, 60), (200, 60)])
async def test_columns_fill_the_terminal(reader: StoreReader, until: Until, size: tuple[int, int]) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=size) as pilot:
        await open_trees(pilot, until)
        await pilot.pause()
        room = size[0] if size[0] < WIDE else max(size[0] * 3 // 5, size[0] - PREVIEW)
        await until(pilot, lambda: room - 4 <= table(pilot, "trees").virtual_size.width <= room - 2)
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: 96 <= table(pilot, "trees").virtual_size.width <= 98)
        assert table(pilot, "trees").row_count == PAGE


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("demo", "demo / trees"),
        ("open demo", "demo / trees"),
        ("demo/1.search/7", "demo / 1.search/7"),
        ("open demo/1.search/7", "demo / 1.search/7"),
    ],
)
@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_commands_go_to_runs_and_trees(
    app: StoreApp, until: Until, key: str, query: str, title: str
) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: table(pilot, "runs").row_count)
        await pilot.press(key, *query)
        await until(pilot, lambda: offered(app)[:1] == [f"open {query.removeprefix('open ')}"])
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.title == title)


def offered(app: StoreApp) -> list[str]:
    """The commands that are offered, without what they do."""
    (choices,) = app.screen.query(OptionList)
    return [str(option.prompt).split("\n")[0] for option in choices.options]


async def test_only_places_that_exist_are_offered(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test() as pilot:
        await open_trees(pilot, until)
        await pilot.press("colon", *"3")
        await until(
            pilot, lambda: offered(app)[:2] == ["open demo/1.search/3", "open demo/2.evaluate.votes/3"]
        )
        await pilot.press("backspace", *"12")
        await until(pilot, lambda: offered(app)[:1] == ["open demo/1.search/12"])
        assert "open demo/2.evaluate.votes/12" not in offered(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.title == "demo / 1.search/12")


async def test_commands_of_the_application(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", "1.search/3")
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.screen.title == "demo / 1.search/3")
        await pilot.press("colon", *"theme textual-light")
        await until(pilot, lambda: offered(app)[:1] == ["theme textual-light"])
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "textual-light")
        await pilot.press("colon", *"runs")
        await until(pilot, lambda: offered(app)[:1] == ["runs"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("escape", "colon", *"quit")
        await until(pilot, lambda: offered(app)[:1] == ["quit"])
        await pilot.press("enter")
    assert app.return_code == 0
