"""`restmcts trees`: the trees of a run that pass a filter, as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.filter_text import parse
from store.index.reader import StoreReader
from tests.cli.commands import refused, restmcts
from tests.tui.tui_support import write_demo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_demo(folder)
    return folder


def test_a_filter_in_one_word_or_in_several(root: Path) -> None:
    text = "method:mcts solved:no nodes>=20"
    with StoreReader(root) as reader:
        found, total = reader.counted_trees(parse(text, "demo"), order_by="tokens", descending=True, limit=3)
    assert total > 3
    for words in ([text], text.split()):
        options = ("--by", "tokens", "--descending", "--limit", "3", "--root", root, "--json")
        said = restmcts("trees", "demo", *words, *options).json()
        assert said["total"] == total
        assert [tree["id"] for tree in said["trees"]] == [tree.id for tree in found]


def test_the_table_has_what_the_screen_has(root: Path) -> None:
    said = restmcts("trees", "demo", "method:votes", "--root", root).output
    assert "5 trees of demo" in said
    with StoreReader(root) as reader:
        for tree in reader.trees(parse("method:votes", "demo")):
            (row,) = [line for line in said.splitlines() if f" {tree.id} " in line]
            assert ("✓" in row) == tree.correct and tree.question in row
            assert ("≠ 42" in row) == (not tree.correct)


def test_bad_input_is_one_line(root: Path) -> None:
    assert "did you mean 'method'" in refused("trees", "demo", "metod:mcts", "--root", root)
    assert "did you mean 'demo'" in refused("trees", "dema", "--root", root)
    assert "phase:NAME" in refused("trees", "demo/1.search", "--root", root)
    assert "cannot sort by 'size'" in refused("trees", "demo", "--by", "size", "--root", root)


def test_a_number_that_is_not_there_is_told_from_those_that_are(root: Path) -> None:
    said = refused("show", "demo/1.search/9999", "--root", root)
    assert "those of 1.search are 0 to 214" in said
