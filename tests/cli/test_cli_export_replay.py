"""`restmcts export replay`: one page, where it is wanted, of a search that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import refused, restmcts, state
from tests.store.build import PHASE, fill, open_run
from tests.tui.test_tui_page import check_page, embedded


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with open_run(tmp_path / "store") as writer:
        fill(writer)
        writer.finish_run()
    return tmp_path / "store"


def test_a_search_becomes_a_page(root: Path, tmp_path: Path) -> None:
    before = state(root)
    page = tmp_path / "out" / "x.html"
    done = restmcts("export", "replay", f"first/{PHASE}/0", "-o", page, "--root", root)
    assert done.output == f"wrote {page}\n"
    text = page.read_text("utf-8")
    check_page(text)
    assert len(embedded(text)["events"]) > 1
    assert state(root) == before
    restmcts("export", "replay", f"first/{PHASE}/0", "-o", tmp_path, "--root", root)
    assert (tmp_path / f"first-{PHASE}-0.html").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first",), "write RUN/PHASE/NUMBER"),
        ((f"first/{PHASE}/999999",), "no tree"),
        (("nothing/1.search/0",), "no run 'nothing'"),
        ((f"first/{PHASE}/0", "-o", "x.pdf"), "ends in .html"),
    ],
)
def test_bad_input_is_named(root: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("export", "replay", *arguments, "--root", root)
