"""The replay with reasons: how it opens, its panes, its jumps, and the trees next to it."""

from __future__ import annotations

import random
from shutil import copytree
from typing import TYPE_CHECKING, ClassVar

import pytest

from store.index.reader import StoreReader
from tests.tui.test_tui_replay import head, node_text, opened, pace, pane, player, rows, screen, timeline, why
from tui.app import StoreApp
from tui.replay.rows import View
from tui.screens.prompt import PromptScreen
from tui.screens.trees import TreesScreen
from tui.widgets.lines import LinesPane
from tui.widgets.table import RowTable
from tui.widgets.tree import TreePane

if TYPE_CHECKING:
    from pathlib import Path

    from textual.geometry import Region
    from textual.pilot import Pilot

    from tests.tui.tui_support import Until
    from tui.replay.truth import Truth

pytestmark = pytest.mark.asyncio

TREE = "1.search/8"
"""A tree with right and wrong solutions, larger than a small terminal."""


@pytest.fixture
def app(reader: StoreReader) -> StoreApp:
    return StoreApp(reader, "demo", TREE)


def truth(pilot: Pilot[None]) -> Truth:
    found = screen(pilot).truth
    assert found is not None
    return found


def in_sight(pilot: Pilot[None]) -> bool:
    return any(f"#{pane(pilot).cursor} " in f"{row} " for row in rows(pilot))


async def test_it_opens_at_the_end_and_says_what_came_out(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, until)
        result = player(pilot).record.result
        assert player(pilot).position == player(pilot).length
        assert "mcts" in head(pilot) and "sum-0008" in head(pilot)
        assert f"{'✓' if result.correct else '✗'} {result.answer}  oracle 42" in head(pilot)
        assert "ended: the limit of rounds" in head(pilot)
        assert "What is 8 plus 34?" in head(pilot)
        assert "answers by best-value" in why(pilot)


async def test_the_cursor_is_in_sight_after_the_first_jump(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, until)
        assert len(player(pilot).tree.nodes) > pane(pilot).size.height
        assert in_sight(pilot), "as soon as it is open"
        await pilot.press("home")
        await pilot.pause()
        assert not pane(pilot).show_vertical_scrollbar
        await pilot.press("end")
        await pilot.pause()
        assert pane(pilot).scroll_offset.y > 0, "the answer is far down in this tree"
        assert in_sight(pilot)
        for place in range(0, player(pilot).length, 7):
            screen(pilot).jump(place)
            await pilot.pause()
            assert in_sight(pilot), place


async def test_a_small_terminal_shows_the_reason_of_a_step_and_the_node_that_is_gone_to(
    app: StoreApp, until: Until
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, until, "left_square_bracket")
        reasons, node = (app.screen.query_one(name, LinesPane) for name in ("#why", "#node"))
        assert reasons.display and not node.display
        assert "selected" in why(pilot)
        await pilot.press("up")
        assert node.display and not reasons.display
        assert f"node {pane(pilot).cursor} " in node_text(pilot) or "root" in node_text(pilot)
        await pilot.press("u")
        await pilot.pause()
        assert reasons.display
        await pilot.press("u", "right")
        assert node.display and not reasons.display, "reasons were put away"


async def test_a_tall_terminal_shows_both(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, until, "left_square_bracket", "down")
        assert all(app.screen.query_one(name, LinesPane).display for name in ("#why", "#node"))
        await pilot.press("v")
        await pilot.pause()
        assert "answers by best-value" in why(pilot)
        await pilot.press("v")
        await pilot.pause()
        assert "selected" in why(pilot)


async def test_a_step_does_not_throw_away_the_node_one_looks_at(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, until, "up", "up")
        looked_at = pane(pilot).cursor
        await pilot.press("left", "left", "right")
        assert pane(pilot).cursor == looked_at
        assert "f follows" in timeline(pilot)
        await pilot.press("f")
        assert pane(pilot).cursor == player(pilot).focus
        assert "f follows" not in timeline(pilot)


async def test_xray_shows_and_hides_what_the_verdicts_say(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until, "5")
        assert any("+#" in row for row in rows(pilot))
        await pilot.press("x")
        assert not any("+#" in row or "!#" in row for row in rows(pilot))
        assert "✓" not in timeline(pilot)
        await pilot.press("x")
        assert any("+#" in row for row in rows(pilot))


async def test_jumps(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, until, "home")
        survey = player(pilot).survey
        solutions = [position for position, _ in survey.solutions]
        await pilot.press("right_parenthesis")
        assert player(pilot).position == solutions[0]
        await pilot.press("end", "left_parenthesis")
        assert player(pilot).position == solutions[-1]
        await pilot.press("home", "m")
        assert pane(pilot).cursor in truth(pilot).mistakes
        assert player(pilot).position == min(survey.joins(node) for node in truth(pilot).mistakes)
        await pilot.press("home", "a")
        known = screen(pilot).timeline
        assert known is not None and known.changes
        assert player(pilot).position == known.changes[0]
        await pilot.press("end", "left_curly_bracket")
        assert survey.spent_in(player(pilot).round)
        await pilot.press("3")
        assert player(pilot).position == player(pilot).length * 3 // 10
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("r", "2", "enter")
        assert player(pilot).position == survey.rounds[1]
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("number_sign", "9", "enter")
        assert pane(pilot).cursor == 9
        assert player(pilot).position == survey.joins(9)


async def test_steps_are_found_by_their_text(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, until, "slash")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press(*"ADD 2", "enter")
        nodes = player(pilot).tree.nodes
        found = [node.id for node in nodes if node.step and "add 2" in node.step.text]
        assert len(found) > 2
        seen = [pane(pilot).cursor]
        for _ in found:
            await pilot.press("n")
            seen.append(pane(pilot).cursor)
        assert set(seen) == set(found)
        await pilot.press("N")
        assert pane(pilot).cursor == seen[-2]


async def test_folding_all_but_the_way_and_hiding(app: StoreApp, until: Until) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, until)
        shown = len([row for row in rows(pilot) if row])
        way = {node.id for node in player(pilot).tree.ancestors(pane(pilot).cursor)}
        await pilot.press("F")
        assert len([row for row in rows(pilot) if row]) < shown
        assert not pane(pilot).view.folded & way
        await pilot.press("F")
        assert len([row for row in rows(pilot) if row]) == shown
        await pilot.press("Z")
        assert len([row for row in rows(pilot) if row]) < shown
        await pilot.press("Z", "o", "o", "o")
        assert pane(pilot).view == View(keep=pane(pilot).view.keep)


async def test_a_bookmark_with_a_note(demo: Path, tmp_path: Path, until: Until) -> None:
    copytree(demo, tmp_path / "store")
    app = StoreApp(StoreReader(tmp_path / "store"), "demo", TREE)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, until, "4")
        place = player(pilot).position
        await pilot.press("apostrophe")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press(*"why", "enter")
        await until(pilot, lambda: "' why" in timeline(pilot))
        await pilot.press("end")
        assert "' why" not in timeline(pilot)
        await pilot.press("less_than_sign")
        assert player(pilot).position == place
        (note,) = app.reader.notes("demo")
        assert (note.tree, note.event, note.text) == (TREE, place, "why")
    app.reader.close()


async def test_the_next_and_the_previous_tree_of_the_list(reader: StoreReader, until: Until) -> None:
    app = StoreApp(reader, "demo")
    async with app.run_test(size=(100, 30)) as pilot:
        await until(
            pilot, lambda: app.screen.query("#trees") and app.screen.query_one("#trees", RowTable).row_count
        )
        names = [tree.id for tree in app.screen.page.trees]  # type: ignore[attr-defined]
        await pilot.press("down", "enter")
        await opened(pilot, until)
        assert player(pilot).record.header.id == names[1]
        await pilot.press("J")
        await until(pilot, lambda: head(pilot) and names[2] in head(pilot))
        await opened(pilot, until, "K")
        await until(pilot, lambda: names[1] in head(pilot))
        await opened(pilot, until, "K")
        await until(pilot, lambda: names[0] in head(pilot))
        await opened(pilot, until, "K")
        assert screen(pilot).tree_name == names[0]
        await pilot.press("escape")
        assert isinstance(app.screen, TreesScreen)


async def test_a_step_draws_only_what_changed(
    app: StoreApp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Region, ...]] = []
    refresh = TreePane.refresh

    def recorded(self: TreePane, *regions: Region, **options: bool) -> TreePane:
        drawn.append(regions)
        return refresh(self, *regions, **options)

    async with app.run_test(size=(100, 60)) as pilot:
        await opened(pilot, until, "home", *["right"] * 6)
        monkeypatch.setattr(TreePane, "refresh", recorded)
        selections = [place for place in player(pilot).rounds if place > player(pilot).position]
        screen(pilot).jump(selections[3] - 1)
        await pilot.pause()
        before = player(pilot).touched
        drawn.clear()
        await pilot.press("right")
        assert () not in drawn, "the whole pane"
        way = [node.id for node in player(pilot).tree.ancestors(player(pilot).selected or 0)]
        assert 0 < len(drawn) <= 2 * (len(before) + 2 * len(way) + 4)
        assert all(region.height == 1 for regions in drawn for region in regions)


class TestRandomKeys:
    KEYS: ClassVar[tuple[str, ...]] = (
        *"hljkpzFZouvxwfnNJKmMaA0123456789",
        *("left", "right", "up", "down", "home", "end", "pageup", "pagedown", "tab", "enter", "space"),
        *(
            "left_square_bracket",
            "right_curly_bracket",
            "right_parenthesis",
            "full_stop",
            "shift+right",
            "less_than_sign",
        ),
    )

    @pytest.mark.parametrize(("seed", "size"), [(1, (80, 24)), (2, (120, 40)), (3, (30, 10))])
    async def test_no_sequence_of_keys_breaks_the_replay(
        self, app: StoreApp, until: Until, seed: int, size: tuple[int, int]
    ) -> None:
        chance = random.Random(seed)
        async with app.run_test(size=size) as pilot:
            await opened(pilot, until)
            for _ in range(40):
                await pilot.press(chance.choice(self.KEYS))
                assert 0 <= player(pilot).position <= player(pilot).length
                assert pane(pilot).cursor < len(player(pilot).tree.nodes)
            await pilot.press("home", "f" if not screen(pilot).following else "end")
            assert pace(pilot).speed > 0
