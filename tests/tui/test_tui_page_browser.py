"""The page of a replay in a browser: its keys, what it shows, and that it asks nobody for anything."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from store.events import SearchRecord, Stopped
from store.tree import fold
from tests.support.chromium import BROWSER, Chromium
from tests.tui.made_searches import Maker, custom, header, mcts, record, votes
from tests.tui.test_tui_page import hostile_search
from tui.page.page import replay_page
from tui.text import decimal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")

SHOWN_ROWS = "[...document.querySelectorAll('.row:not([hidden])')].map(row => row.textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def opened(browser: Chromium, folder: Path, search: SearchRecord) -> Chromium:
    page = folder / "replay.html"
    page.write_text(replay_page("demo", search, {"rest-mcts": (None, 0.25)}), "utf-8")
    browser.events.clear()
    browser.open(page.as_uri())
    return browser


def shown(browser: Chromium, part: str) -> str:
    return str(browser.run(f"document.getElementById('{part}').innerText"))


def assert_alone(browser: Chromium) -> None:
    """Nothing but the file was asked for, nothing was refused or failed, no script of a text ran."""
    addresses = [told["request"]["url"] for told in browser.told("Network.requestWillBeSent")]
    assert len(addresses) == 1 and addresses[0].startswith("file:///")
    assert browser.told("Log.entryAdded") == []
    assert browser.told("Runtime.exceptionThrown") == []
    assert browser.told("Page.javascriptDialogOpening") == []
    assert browser.run("window.owned === undefined")
    assert browser.run("performance.getEntriesByType('resource').length") == 0


def test_the_replay_opens_at_the_end_and_keys_move_it(browser: Chromium, tmp_path: Path) -> None:
    search = mcts(5, rounds=12)
    opened(browser, tmp_path, search)
    last = len(search.events)
    assert f"event {last} of {last}" in shown(browser, "where")
    assert shown(browser, "says").startswith("ended with")
    assert len(browser.run(SHOWN_ROWS)) == search.result.nodes
    browser.press("Home")
    assert f"event 0 of {last}" in shown(browser, "where")
    assert len(browser.run(SHOWN_ROWS)) == 1
    for key, position in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("]", 7), ("[", 1)):
        browser.press(key)
        assert f"event {position} of {last}" in shown(browser, "where"), key
    browser.press("ArrowRight", shift=True)
    assert f"event 11 of {last}" in shown(browser, "where")
    assert len(browser.run(SHOWN_ROWS)) == len(fold(search.events[:11]).nodes)
    browser.press("End")
    browser.press("(")
    assert "finished, answer" in shown(browser, "says")
    assert_alone(browser)


def go(browser: Chromium, position: int) -> None:
    """Go to an event by the address, as a link to it does."""
    browser.run(f"location.hash = '#{position}'")
    end = monotonic() + 30
    while f"event {position} of" not in shown(browser, "where"):
        assert monotonic() < end


def test_every_event_is_drawn_as_it_was(browser: Chromium, tmp_path: Path) -> None:
    """Forward one by one and then by jumps: the rows have the values and visits of the tree."""
    search = mcts(4, rounds=9)
    opened(browser, tmp_path, search)
    browser.press("Home")
    forward = range(1, len(search.events) + 1)
    for position in [*forward, *random.Random(1).sample(forward, 8)]:
        go(browser, position)
        tree = fold(search.events[:position])
        rows = {int(row.split("#")[1].split(" ")[0]): row for row in browser.run(SHOWN_ROWS) if "#" in row}
        assert rows.keys() == set(range(1, len(tree.nodes)))
        for node in tree.nodes[1:]:
            if node.score is not None or node.visits:
                count = f"N{node.visits}" if node.visits else f"s{node.samples}"
                assert f"{decimal(node.value, 2)}{count}" in rows[node.id]
    assert_alone(browser)


def test_the_reasons_are_shown(browser: Chromium, tmp_path: Path) -> None:
    search = mcts(5, rounds=12)
    opened(browser, tmp_path, search)
    kinds = [type(event).__name__ for event in search.events]
    chosen = len(kinds) - kinds[::-1].index("Selected")
    for position, words in (
        (chosen, ("the root →", "exploration", "ahead of")),
        (kinds.index("BackedUp") + 1, ("before → after", "0 → 1")),
        (kinds.index("Expanded") + 1, ("samples", "log-prob", "new")),
        (kinds.index("RolledOut") + 1, ("not in the tree; largest value", "Step 2")),
    ):
        go(browser, position)
        for word in words:
            assert word in shown(browser, "reason"), (position, word)
    opened(browser, tmp_path, votes(1, traces=5))
    assert "answers by majority" in shown(browser, "reason")
    browser.press("ArrowDown")
    assert "node 1 below the root" in shown(browser, "node") and "rest-mcts\t0.250" in shown(browser, "node")
    assert_alone(browser)


def test_a_search_that_has_done_nothing_has_a_page(browser: Chromium, tmp_path: Path) -> None:
    opened(browser, tmp_path, custom(0))
    browser.press("End")
    assert "event 0 of 0" in shown(browser, "where")
    assert shown(browser, "says") == "nothing has happened yet"
    opened(browser, tmp_path, custom(0, Stopped("failed", message="the server is gone")))
    assert "an engine refused (the server is gone)" in shown(browser, "says")
    assert_alone(browser)


def test_space_plays_to_the_end(browser: Chromium, tmp_path: Path) -> None:
    search = votes(0, traces=2)
    opened(browser, tmp_path, search)
    browser.press(" ")
    assert "event 0 of" in shown(browser, "where") and shown(browser, "play") == "pause"
    end = monotonic() + 30
    while shown(browser, "play") != "play":
        assert monotonic() < end
    assert f"event {len(search.events)} of" in shown(browser, "where")


def test_hostile_texts_run_nothing_and_ask_for_nothing(browser: Chromium, tmp_path: Path) -> None:
    search = hostile_search()
    opened(browser, tmp_path, search)
    for key in ("Home", *["ArrowRight"] * len(search.events), *["ArrowDown"] * search.result.nodes):
        browser.press(key)
        assert browser.run("document.scripts.length") == 2
    assert "<img src=x onerror=" in browser.run("document.body.textContent")
    assert_alone(browser)


def test_a_page_that_is_broken_into_runs_no_other_script(browser: Chromium, tmp_path: Path) -> None:
    """The policy holds even if a text became a part of the page."""
    opened(browser, tmp_path, mcts(0, rounds=3))
    browser.run("document.body.append(document.createElement('script'))")
    refused = browser.run(
        "(() => { const made = document.createElement('script'); try { made.textContent = 'window.owned = 1';"
        " document.body.append(made); } catch (error) { return error.name; } return 'let in'; })()"
    )
    assert refused == "TypeError"
    asked = browser.run("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)")
    assert asked == "TypeError"
    assert browser.run("window.owned === undefined")


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1200, False), (1200, True)])
def test_the_page_fits_narrow_and_dark_screens(
    browser: Chromium, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.resize(width, 800, dark=dark)
    opened(browser, tmp_path, hostile_search())
    assert browser.run("document.documentElement.scrollWidth") <= width
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(18, 22, 28)") == dark
    browser.resize(1200, 800)


def test_a_large_tree_opens_in_two_seconds(browser: Chromium, tmp_path: Path) -> None:
    maker = Maker(random.Random(1), steps=12)
    while len(maker.tree.nodes) < 5_000:
        maker.round()
    maker.finish("42")
    search = record(header(0), maker.events, maker.tree)
    page = tmp_path / "replay.html"
    page.write_text(replay_page("demo", search, {}), "utf-8")
    start = monotonic()
    browser.open(page.as_uri())
    assert f"of {len(search.events):,}" in shown(browser, "where")
    assert monotonic() - start < 10  # two seconds where nothing else runs
    assert "after one of" in shown(browser, "notes")
    for key in ("Home", "End"):
        start = monotonic()
        browser.press(key)
        assert monotonic() - start < 3
