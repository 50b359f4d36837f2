"""The list of trees: the filter line and its form, kinds, what is kept, rows at 80 cells, solutions."""

from __future__ import annotations

import shlex
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.filter_text import KINDS, parse, written
from store.index.reader import ORDERS, StoreReader
from store.queries import Range, TreeFilter
from tests.tui.tui_support import SEARCHES, Until, screen_of
from tui.app import StoreApp
from tui.places import TreesPlace
from tui.screens.filter_form import FilterForm, fields_of, filter_of
from tui.screens.problem import ProblemScreen
from tui.screens.replay import ReplayScreen
from tui.screens.runs import RunsScreen
from tui.screens.trees import TreesScreen
from tui.trees.pages import PAGE, TreeQuery, read_page
from tui.trees.preview import spread_line
from tui.trees.rows import columns, row
from tui.widgets.filter_line import FilterLine
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from store.records import TreeSummary

TREES = SEARCHES + 5


def status(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one("#filters", LinesBar).text


def trees(pilot: Pilot[None]) -> RowTable:
    return pilot.app.screen.query_one("#trees", RowTable)


def screen(pilot: Pilot[None]) -> TreesScreen:
    assert isinstance(pilot.app.screen, TreesScreen)
    return pilot.app.screen


async def listed(pilot: Pilot[None], until: Until, start: str = "1 to") -> None:
    await until(pilot, lambda: pilot.app.screen.query("#filters") and status(pilot).startswith(start))


async def test_a_word_that_cannot_be_understood_is_said_and_the_list_stays(
    reader: StoreReader, until: Until
) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("slash", *"is:los")
        await until(pilot, lambda: "is:los: the value is one of unsolved" in screen_of(app))
        assert trees(pilot).row_count == PAGE
        await pilot.press("t")
        await until(pilot, lambda: "is:los:" not in status(pilot) and "of" in status(pilot))
        assert screen(pilot).search.wanted == TreeFilter("demo", kinds=("lost",))
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: "is:los:" in status(pilot))


async def test_words_are_completed_from_the_store(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        line = app.screen.query_one(FilterLine)
        await until(pilot, lambda: line.words.known)
        await pilot.press("slash", *"phase:2")
        await until(pilot, lambda: line._suggestion == "phase:2.evaluate.votes")
        await pilot.press("right", "enter")
        await listed(pilot, until, "1 to 5 of 5")


@pytest.mark.parametrize(("key", "kind"), [(str(key), kind) for key, kind in enumerate(KINDS, 1)])
async def test_keys_of_the_kinds(reader: StoreReader, until: Until, key: str, kind: str) -> None:
    found = reader.count_trees(parse(f"is:{kind}", "demo"))
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press(key)
        await listed(pilot, until, f"1 to {min(found, PAGE)} of {found} " if found else "no trees (x clears")
        assert app.screen.query_one(FilterLine).value == f"is:{kind}"
        await pilot.press(key)
        await listed(pilot, until, f"1 to {PAGE} of {TREES} ")


async def test_filters_stay_when_one_comes_back(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
        await pilot.press("t")
        await listed(pilot, until)
        await pilot.press("slash", *"method:votes", "enter", "O")
        await listed(pilot, until, "1 to 5 of 5 · by tree ↓")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("t")
        await listed(pilot, until, "1 to 5 of 5 · by tree ↓")
        assert app.screen.query_one(FilterLine).value == "method:votes"


async def test_a_place_can_have_a_filter(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one("#runs", RowTable).row_count)
        app.go(TreesPlace("demo", filter=TreeFilter("demo", methods=("votes",), iteration=2)))
        await until(pilot, lambda: isinstance(app.screen, TreesScreen))
        await listed(pilot, until)
        assert app.screen.query_one(FilterLine).value == "method:votes iteration:2"
        assert trees(pilot).row_count == reader.count_trees(parse("method:votes iteration:2", "demo"))


async def test_the_form_says_the_same_as_the_line(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("slash", *"solved:no depth>2", "enter", "F")
        await until(pilot, lambda: isinstance(app.screen, FilterForm))
        await until(pilot, lambda: "all fields have to hold" in screen_of(app))
        await pilot.press("down", *"vot", "enter")
        await until(pilot, lambda: isinstance(app.screen, TreesScreen))
        await listed(pilot, until, "no trees (x")
        assert app.screen.query_one(FilterLine).value == "method:vot solved:no depth>2"
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, FilterForm))
        await pilot.press("down", "e", "s", "down", "x", "enter")
        await until(pilot, lambda: "iteration:x: the value is a number" in screen_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TreesScreen))
        assert app.screen.query_one(FilterLine).value == "method:vot solved:no depth>2"


@given(
    st.builds(
        TreeFilter,
        run=st.just("run"),
        phases=st.lists(st.text(max_size=5), max_size=2).map(tuple),
        methods=st.lists(st.sampled_from(["mcts", "a b", '"', "\\"]), max_size=2).map(tuple),
        iteration=st.none() | st.integers(0, 9),
        solved=st.sampled_from([None, True, False]),
        reason=st.sampled_from([None, "budget"]),
        problem=st.none() | st.text(min_size=1, max_size=5),
        text=st.text(max_size=8),
        step_text=st.sampled_from(["", "carry the"]),
        ranges=st.lists(st.builds(Range, st.just("depth"), st.just(1.0), st.none() | st.just(4.0))).map(
            tuple
        ),
        kinds=st.lists(st.sampled_from(KINDS), max_size=2).map(tuple),
    )
)
def test_a_form_gives_back_the_filter_that_it_shows(wanted: TreeFilter) -> None:
    assert filter_of("run", fields_of(wanted)) == wanted


@pytest.fixture
def page(reader: StoreReader) -> tuple[TreeSummary, ...]:
    long = "0.evaluate-control-of-a-phase-with-a-long-name"
    found = read_page(reader, TreeQuery(TreeFilter("demo"))).trees
    wrong = next(tree for tree in found if tree.correct is False)
    huge = replace(wrong, id=f"{long}/123456", answer="9" * 50, oracle="7" * 50, method="mcts-improved-again")
    return (*found, huge, replace(wrong, answer=None), replace(wrong, oracle=None, correct=None))


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_rows_fit_and_the_question_is_in_view(page: tuple[TreeSummary, ...], width: int) -> None:
    for order in ORDERS:
        query = TreeQuery(TreeFilter("demo"), order_by=order)
        shown = columns(width, query, page)
        assert sum((column.width or 0) + 2 for column in shown) <= width - 2
        assert shown[-1].key == "question" and (shown[-1].width or 0) >= 14
        assert {"correct", "id", "answer"} <= {column.key for column in shown}
        assert order in {*(column.key for column in shown), "number", "phase"}
        for tree in page:
            for column, text in zip(shown, row(tree, query, shown)[1], strict=True):
                assert text.cell_len <= (column.width or 0), (order, column.key)
        cells = {
            column.key: text.plain for column, text in zip(shown, row(page[-3], query, shown)[1], strict=True)
        }
        assert cells["id"].endswith("/123456")
        assert "9" in cells["answer"] and "≠7" in cells["answer"]
        assert page[-3].question.startswith(cells["question"].removesuffix("…"))


def test_the_question_is_whole_before_there_are_more_figures(page: tuple[TreeSummary, ...]) -> None:
    """Less important figures take no room from a question; of a long one they leave 60 cells."""
    query = TreeQuery(TreeFilter("demo"))
    for length in (10, 42, 500):
        trees = [replace(tree, question="q" * length) for tree in page]
        for width in (120, 136, 160, 200):
            shown = {column.key: column.width or 0 for column in columns(width, query, trees)}
            more = shown.keys() & {"reason", "rounds", "idle_rounds", "answer_changes"}
            assert shown["question"] >= min(length, 60) or not more, (length, width)
        assert more == {"reason", "rounds", "idle_rounds", "answer_changes"} or length == 500


async def test_a_search_without_values_has_none_in_the_list(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", phase="2.evaluate.votes")
    async with app.run_test(size=(200, 40)) as pilot:
        await listed(pilot, until)
        table = trees(pilot)
        for key in ("best_right", "best_wrong"):
            assert [cell.plain for cell in table.get_column(key)] == ["-"] * 5
        pane = app.screen.query_one("#preview", LinesPane)
        await until(pilot, lambda: "V -" in pane.text)
        assert "0.00" not in pane.text


@pytest.mark.parametrize("tree", ["1.search/7", "2.evaluate.votes/1"])
async def test_solutions_stand_beside_the_list(reader: StoreReader, until: Until, tree: str) -> None:
    phase, _, number = tree.rpartition("/")
    app = StoreApp(reader, "demo", phase=phase)
    async with app.run_test(size=(120, 40)) as pilot:
        await listed(pilot, until)
        await pilot.press(*["down"] * int(number))
        pane = app.screen.query_one("#preview", LinesPane)
        await until(pilot, lambda: pane.text.startswith(tree))
        record = reader.record("demo", tree)
        words = " ".join(pane.text.split())
        assert record.header.question in words
        assert f"answer {record.result.answer} " in words
        given = reader.solutions("demo", tree)[0]
        assert given.answered and given.answer == record.result.answer
        for step in given.steps:
            assert " ".join(step.split()) in words
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not pane.display or not pane.size.width)


async def test_how_figures_are_spread(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        bar = app.screen.query_one("#spread", LinesBar)
        await until(pilot, lambda: "tokens " in bar.text and "depth " in bar.text)
        whole = bar.text
        await pilot.press("slash", *"method:votes", "enter")
        await until(pilot, lambda: bar.text != whole and "tokens 200" in bar.text)
        found = screen(pilot).spread
        assert found is not None
        for width in (0, 20, 40, 200):
            assert sum(len(text) for text, _, _ in spread_line(found, width)) <= width


async def test_a_query_that_nobody_waits_for_is_given_up(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query for the first letters is under way and never ends by itself; the last one is answered."""
    begun, real = threading.Event(), StoreReader.counted_trees

    def counted(self: StoreReader, wanted: TreeFilter, **more: Any) -> Any:
        if wanted.text == "sum":
            begun.set()
            endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
            self._rows(endless)
        return real(self, wanted, **more)

    monkeypatch.setattr(StoreReader, "counted_trees", counted)
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("slash", *"sum")
        await until(pilot, begun.is_set)
        await pilot.press(*"-0123", "enter")
        await listed(pilot, until, "1 to 1 of 1")
        assert not isinstance(app.screen, ProblemScreen)


async def test_letters_in_a_row_are_one_query(
    reader: StoreReader, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = StoreReader.counted_trees

    def counted(self: StoreReader, wanted: TreeFilter, **more: Any) -> Any:
        asked.append(wanted.text)
        return real(self, wanted, **more)

    monkeypatch.setattr(StoreReader, "counted_trees", counted)
    monkeypatch.setattr("tui.screens.trees.TYPING_SECONDS", 3600)
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("slash", *"sum-0123", "enter")
        await listed(pilot, until, "1 to 1 of 1")
        assert set(asked) == {"", "sum-0123"}


async def test_steps_are_searched(reader: StoreReader, until: Until) -> None:
    step = reader.solutions("demo", "1.search/7")[0].steps[0].strip()
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        wanted = TreeFilter("demo", step_text=step)
        await pilot.press("slash", *written(wanted), "enter")
        count = reader.count_trees(wanted)
        assert 0 < count < TREES
        await listed(pilot, until, f"1 to {count} of {count}")
        assert "1.search/7" in [text.plain for text in trees(pilot).get_column("id")]


async def test_a_list_says_the_command_that_prints_it(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("slash", *"solved:no depth>2", "enter", "O")
        await listed(pilot, until)
        words = shlex.split(screen(pilot).command())
        root = str(reader.root)
        assert words == [
            "restmcts", "trees", "demo", "solved:no depth>2", "--descending", "--root", root,
        ]  # fmt: skip


async def test_the_replay_has_the_trees_of_the_page(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo", phase="2.evaluate.votes")
    async with app.run_test(size=(80, 24)) as pilot:
        await listed(pilot, until)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.player)
        await pilot.press("J")
        await until(pilot, lambda: app.screen.title == "demo / 2.evaluate.votes/2")
