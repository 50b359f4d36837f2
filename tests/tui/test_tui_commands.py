"""What may be typed on the command line of the screens, and where names lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InputError
from store.index.names import Found, find
from tests.tui.made_searches import mcts
from tests.tui.tui_support import open_run
from tui.palette import matching, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from store.index.reader import StoreReader


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["demo"]),
        ("9999", ["demo"]),
        ("12", ["demo/1.search/12", "demo"]),
        ("2.evaluate.votes/4", ["demo/2.evaluate.votes/4", "demo/1.search", "demo/2.evaluate.votes", "demo"]),
        ("demo/1.search/9999", ["demo/1.search", "demo/2.evaluate.votes", "demo"]),
        ("demo/\u0664", ["demo/1.search", "demo/2.evaluate.votes", "demo"]),
    ],
)
def test_what_a_command_may_name(reader: StoreReader, query: str, found: list[str]) -> None:
    assert [name_of(each) for each in matching(reader, "demo", query)] == found


def test_every_offered_place_is_found_by_its_name(reader: StoreReader) -> None:
    for found in matching(reader, "demo", "demo/7"):
        assert find(reader, name_of(found)) == found
    assert find(reader, "demo/1.search/007") == Found("demo", "1.search", "1.search/7")
    assert find(reader, "demo/") == Found("demo")


def test_a_tree_that_the_index_does_not_have_yet_is_found(tmp_path: Path) -> None:
    from store.index.reader import StoreReader

    with open_run(tmp_path, "live") as writer, StoreReader(tmp_path) as reader:
        writer.start_phase("1.search", "search", 1)
        writer.sync_index()
        with pytest.raises(InputError, match=r"1\.search has no trees"):
            find(reader, "live/1.search/4")
        writer.add_tree(mcts(4))
        assert reader.numbered("live", 4) == []
        assert find(reader, "live/1.search/4").tree == "1.search/4"
        writer.sync_index()
        assert reader.numbered("live", 4) == ["1.search/4"]
