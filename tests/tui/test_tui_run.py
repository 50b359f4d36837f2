"""The page of one run, key by key, over real stores; and the same page while the run is written."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.widget import Widget
from textual.widgets._footer import FooterKey

from store.events import Step
from store.index.reader import StoreReader
from store.queries import TreeFilter
from store.records import Checkpoint, Evaluation, Metric, PolicySample, WorkerFigures
from store.runs.progress import ProgressFile
from store.runs.writer import RunWriter
from tests.tui.made_searches import mcts
from tests.tui.tui_support import Until, open_run, screen_of
from tui.app import StoreApp
from tui.charts import load
from tui.places import RunPlace, TreesPlace
from tui.screens.help import HelpScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import _TABS, RunScreen
from tui.screens.runs import RunsScreen
from tui.screens.trees import TreesScreen
from tui.widgets.chart import ChartPane
from tui.widgets.keys import MOST
from tui.widgets.lines import LinesBar, LinesPane
from tui.widgets.table import RowTable

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

AUC = {
    "auc": 0.91,
    "auc.low": 0.88,
    "auc.high": 0.93,
    "likelihood_sum.auc": 0.72,
    "squared_error": 0.05,
    "calibration_error": 0.04,
    **{f"auc.depth_{depth}": 0.8 + depth / 100 for depth in range(1, 12)},
    **{f"likelihood_sum.auc.depth_{depth}": 0.6 for depth in range(1, 12)},
    **{f"calibration_error.depth_{depth}": depth / 100 for depth in range(1, 12)},
}


def write_run(root: Path, run: str, settings: str = 'recipe = "tiny"\n') -> None:
    """A run of two iterations with everything that the page shows."""
    with RunWriter.create_or_open(root, run, config=settings, environment={"python": "3"}) as writer:
        for iteration in (1, 2):
            writer.start_phase(f"{iteration}.search", "search", iteration)
            for number in range(3):
                writer.add_tree(mcts(number, phase=f"{iteration}.search"))
            writer.finish_phase(f"{iteration}.search", {"trees": 3})
            writer.start_phase(f"{iteration}.train-value", "train", iteration)
            for step in range(1_000):
                writer.add_metric(
                    Metric(run, f"{iteration}.train-value", iteration, "loss", 2 / (step + 1), step)
                )
            writer.write_samples(f"{iteration}.label", samples(iteration))
            writer.layout.checkpoint(iteration, "value").mkdir(parents=True)
            path = f"checkpoints/{iteration}/value"
            writer.add_checkpoint(Checkpoint(run, iteration, "value", path, None, iteration == 2, AUC))
            writer.finish_phase(f"{iteration}.train-value", {"updates": 1_000, "auc": 0.91})
            writer.start_phase(f"{iteration}.evaluate", "evaluate", iteration)
            for method, budget in (("greedy", None), ("mcts", 51), ("mcts", 170)):
                writer.add_evaluation(evaluation(run, iteration, method, budget))
            writer.finish_phase(f"{iteration}.evaluate", {"trees": 0})
        writer.finish_run()


def samples(iteration: int) -> list[PolicySample]:
    trees = (f"{iteration}.search/1", f"{iteration}.search/2")
    return [
        PolicySample(f"sum-{number}", "What?", (Step("1 + 1 = 2"),), trees, 0.75, "trace")
        for number in range(210 if iteration == 1 else 3)
    ]


def evaluation(run: str, iteration: int, method: str, budget: int | None) -> Evaluation:
    accuracy = 0.3 + iteration / 5 + (budget or 0) / 2000
    return Evaluation(
        run, f"{iteration}.evaluate", iteration, method, budget, None, 200, round(200 * accuracy), accuracy,
        accuracy - 0.06, accuracy + 0.06, float(budget or 17), 300.0, searches="0123", rule="best-value",
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    load()
    write_run(root, "first")
    write_run(root, "second", 'recipe = "tiny"\n[search]\nbranch = 7\n')
    return root


async def opened(app: StoreApp, pilot: Pilot[None], until: Until, run: str = "second") -> RunScreen:
    await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    app.go(RunPlace(run))
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.page)
    assert isinstance(app.screen, RunScreen)
    return app.screen


def column(screen: RunScreen, name: str, key: str) -> list[str]:
    return [text.plain for text in screen.query_one(f"#{name}", RowTable).get_column(key)]


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_overview_says_whether_it_got_better(
    two: Path, until: Until, size: tuple[int, int]
) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=size) as pilot:
            screen = await opened(app, pilot, until)
            text = screen.query_one("#overview", LinesPane).text
            assert "50.0 → 70.0 (64 to 76)  greedy" in text
            assert "2/value" in text and "AUC 0.910 (log-probability 0.720)" in text
            assert "time: " in text
            seen = screen_of(app)
            assert "accuracy by iteration" in seen
            assert ("accuracy by tokens" in seen) == (size[0] >= 110)
            assert all(f"{place} {name}" in seen for place, name in ((1, "Overview"), (7, "Samples")))


@pytest.mark.asyncio
async def test_a_number_leads_to_the_trees_behind_it(
    two: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("2", "enter")
            await until(pilot, lambda: isinstance(app.screen, TreesScreen))
            assert isinstance(app.screen, TreesScreen)
            assert app.screen.search.wanted.phases == ("1.search",)
            await pilot.press("escape", "3")
            asked: list[object] = []
            monkeypatch.setattr(app, "go", lambda place, instead=False: asked.append(place))
            await pilot.press("enter")
            wanted = TreeFilter("second", phases=("1.evaluate",), asked="0123")
            assert asked == [TreesPlace("second", "1.evaluate", filter=wanted)]
            assert screen.evaluation_here() == evaluation("second", 1, "greedy", None)


@pytest.mark.asyncio
async def test_a_phase_without_trees_leads_to_what_it_measured(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("2", "down", "enter")
            await pilot.pause()
            assert screen.query_one("#metrics", RowTable).chosen == "1.train-value\nloss"
            assert "1.train-value loss (log)" in screen_of(app)
            await pilot.press("l")
            chart = screen.query_one("#course", ChartPane).chart
            assert chart is not None and not chart.log and len(chart.curves[0].xs) == 400


@pytest.mark.asyncio
async def test_the_report_of_the_value_models(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("4")
            await pilot.pause()
            assert column(screen, "models", "control AUC") == ["0.720", "0.720"]
            assert column(screen, "models", "95 %") == ["0.880 to 0.930"] * 2
            chart = screen.query_one("#auc", ChartPane).chart
            assert chart is not None
            assert chart.curves[0].ys == tuple(0.8 + depth / 100 for depth in range(1, 12))
            assert "calibration error by depth" in screen_of(app)


@pytest.mark.asyncio
async def test_evaluations_are_ordered(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("3")
            assert column(screen, "evaluations", "budget") == ["-", "51", "170"] * 2
            await pilot.press("o", "O")
            shown = [float(text) for text in column(screen, "evaluations", "acc %")]
            assert shown == sorted(shown, reverse=True) and len(set(shown)) > 2


@pytest.mark.asyncio
async def test_long_names_take_the_room_that_there_is(tmp_path: Path, until: Until) -> None:
    """A narrow table cuts them; then the whole name of a method stands below the table."""
    method, metric = "posterior-search (constants.probabilities=share)", "value.likelihood_sum.auc.depth_11"
    load()
    with RunWriter.create_or_open(
        tmp_path, "second", config=f'recipe = "{"t" * 60}"\n', environment={}
    ) as writer:
        writer.start_phase("1.evaluate", "evaluate", 1)
        writer.add_evaluation(evaluation("second", 1, method, 51))
        writer.add_metric(Metric("second", "1.evaluate", 1, metric, 0.5))
        writer.finish_phase("1.evaluate", {"trees": 0})
    with StoreReader(tmp_path) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("3")
            assert column(screen, "evaluations", "method") == [f"{method[:25]}…"]
            await until(pilot, lambda: method in screen_of(app))
            await pilot.resize_terminal(200, 60)
            await until(pilot, lambda: column(screen, "evaluations", "method") == [method])
            await pilot.press("5")
            await until(pilot, lambda: column(screen, "metrics", "metric") == [metric])
            await pilot.press("6")
            await until(pilot, lambda: column(screen, "settings", "this run") == ["t" * 60])
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: column(screen, "settings", "this run") == [f"{'t' * 17}…"])


@pytest.mark.asyncio
async def test_settings_beside_those_of_another_run(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("6")
            await until(pilot, lambda: "1 setting differs from first" in screen_of(app))
            await pilot.press("a")
            assert column(screen, "settings", "setting") == ["search.branch"]
            assert column(screen, "settings", "this run") == ["7"]
            await pilot.press("a")
            assert column(screen, "settings", "setting") == ["recipe", "search.branch"]


@pytest.mark.asyncio
async def test_samples_lead_to_the_searches_that_they_come_from(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press("7")
            place = screen.query_one("#place", LinesBar)
            await until(pilot, lambda: place.text == "page 1 of 2, 213 samples")
            await pilot.press("n")
            await until(pilot, lambda: place.text.startswith("page 2 of 2"))
            assert screen.query_one("#samples", RowTable).row_count == 13
            await pilot.press("G", "enter")
            await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
            assert isinstance(app.screen, ReplayScreen) and app.screen.tree_name == "2.search/1"


@pytest.mark.asyncio
async def test_a_running_phase_shows_at_the_head(tmp_path: Path, until: Until) -> None:
    with open_run(tmp_path, "live") as writer, StoreReader(tmp_path) as reader:
        writer.start_phase("1.search", "search", 1)
        writer.add_tree(mcts(1))
        writer.sync_index()
        file = ProgressFile(writer.layout)
        file.start("1.search", "search", 40)
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            runs = app.screen.query_one("#runs", RowTable)
            await until(pilot, lambda: runs.row_count and "1.search 0%" in runs.get_row_at(0)[5].plain)
            screen = await opened(app, pilot, until, "live")
            head = screen.query_one("#head", LinesBar)
            await until(pilot, lambda: "0 of 40" in head.text)
            assert "of 1 with a verdict" in head.text
            file._written = 0.0  # a second has gone by
            file.update(10, {"tokens": 5_000, "cache hits": 0.5})
            await until(pilot, lambda: "10 of 40" in head.text and "25 %" in head.text)
            assert "cache hits 0.500" in screen_of(app) and "left" in head.text
            assert "worker" not in screen_of(app)
            file.workers(
                [
                    WorkerFigures(
                        "10.0.0.1/worker-1", "10.0.0.1", "working", 31, 4, 45_678, 120.0, 0.81, 0.96
                    ),
                    WorkerFigures("\x1b[31m/worker-2", "\x1b[31m", "lost"),
                ]
            )
            file._written = 0.0
            file.update(11, {"workers": "1 of 2"})
            await until(pilot, lambda: "workers: 1 of 2 work" in screen_of(app))
            shown = screen_of(app).split("\n")
            (first,) = (row for row in shown if "10.0.0.1/worker-1" in row)
            assert first.split()[1:] == ["working", "4", "31", "45.7k", "120", "81", "%", "96", "%"]
            (second,) = (row for row in shown if "worker-2" in row)
            assert "\x1b" not in second and second.split()[-6:] == ["0", "0", "-", "-", "-", "-"]
            writer.finish_phase("1.search", {})
            file.remove()
            writer.finish_run()
            writer.sync_index()
            await until(pilot, lambda: not screen.has_class("live") and head.text.startswith("done"))


@pytest.mark.asyncio
async def test_a_run_whose_writer_was_killed_is_stopped(tmp_path: Path, until: Until) -> None:
    writer = open_run(tmp_path, "live")
    writer.start_phase("1.train", "train", 1)
    writer.sync_index()
    with StoreReader(tmp_path) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until, "live")
            await until(pilot, lambda: "1.train begun " in screen.query_one("#head", LinesBar).text)
            await pilot.press("2")
            assert column(screen, "phases", "status") == ["running"]
            writer._run_lock.release()  # all that is left of a process that was killed
            await until(pilot, lambda: column(screen, "phases", "status") == ["stopped"])
            assert screen.query_one("#head", LinesBar).text.startswith("stopped")
    writer.close()


@pytest.mark.asyncio
async def test_runs_are_found_ordered_and_told_apart(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            runs = app.screen.query_one("#runs", RowTable)
            await until(pilot, lambda: runs.row_count == 2)
            detail = app.screen.query_one("#detail", LinesPane)
            await until(pilot, lambda: "search.branch 7 (there None)" in detail.text)
            assert [text.plain for text in runs.get_column("run")] == ["second", "first"]
            await pilot.press("o")
            assert [text.plain for text in runs.get_column("run")] == ["first", "second"]
            await pilot.press("slash", *"seco")
            await until(pilot, lambda: runs.row_count == 1)
            await pilot.press("escape", "enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen))
            assert isinstance(app.screen, RunScreen) and app.screen.run_name == "second"


@pytest.mark.asyncio
async def test_a_click_chooses_a_run_and_another_one_opens_it(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(120, 40)) as pilot:
            runs = app.screen.query_one("#runs", RowTable)
            detail = app.screen.query_one("#detail", LinesPane)
            await until(pilot, lambda: "differ from those of first" in detail.text)
            await pilot.click("#runs", offset=(3, 2))
            await until(pilot, lambda: "differ from those of second" in detail.text)
            assert isinstance(app.screen, RunsScreen) and runs.chosen == "first"
            await pilot.click("#runs", offset=(3, 2))
            await until(pilot, lambda: isinstance(app.screen, RunScreen))


@pytest.mark.asyncio
@pytest.mark.parametrize("tab", "1234567")
async def test_the_footer_and_the_help_fit(two: Path, until: Until, tab: str) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until)
            await pilot.press(tab)
            await pilot.pause()
            keys = [key.description for key in screen.query(FooterKey)]
            assert len(keys) <= MOST and "Help" in keys and "Back" in keys
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            pane = app.screen.query_one(LinesPane)
            await until(pilot, lambda: pane.text)
            assert "control" in pane.text and len(max(pane.text.splitlines(), key=len)) <= pane.size.width


_KEYS = [*"1234567todOalnbr?jkG:", "enter", "escape", "tab", "down", "pagedown", "plus", "underscore"]


@given(keys=st.lists(st.sampled_from(_KEYS), min_size=5, max_size=30))
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_keys_break_the_page(two: Path, until: Until, keys: list[str]) -> None:
    async def press() -> None:
        with StoreReader(two) as reader:
            app = StoreApp(reader)
            async with app.run_test(size=(80, 24)) as pilot:
                await opened(app, pilot, until)
                await pilot.press(*keys)
                await pilot.pause()
                assert app.is_running

    asyncio.run(press())


def _is(screen: RunScreen, pane: Widget) -> bool:
    return screen.focused is pane and pane.region.height > 0


@pytest.mark.asyncio
async def test_what_a_tab_shows_has_the_focus(two: Path, until: Until) -> None:
    with StoreReader(two) as reader:
        app = StoreApp(reader)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(app, pilot, until)
            for key in "6234571637":
                await pilot.press(key)
                wanted = list(_TABS.values())[int(key) - 1]
                pane = screen.query_one(f"#{wanted}")
                await until(pilot, partial(_is, screen, pane))
            await pilot.press("6", "3", "enter")
            await until(pilot, lambda: isinstance(app.screen, TreesScreen))


def test_every_tab_has_a_key() -> None:
    names = {binding.id for binding in RunScreen.BINDINGS}  # type: ignore[union-attr]
    assert {f"run.{name}" for name in _TABS} <= names
