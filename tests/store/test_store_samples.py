"""Samples as a list has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.index.reader import StoreReader
from tests.store.build import fill, open_run

if TYPE_CHECKING:
    from pathlib import Path


def test_samples_come_page_by_page_with_their_searches(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        fill(writer)
    with StoreReader(tmp_path) as reader:
        found = reader.samples("first")
        assert reader.count_samples("first") == len(found) == 3
        assert [(row.phase, row.number, row.problem) for row in found] == [
            ("1.train", number, "problem-0") for number in (1, 2, 3)
        ]
        assert [row.trees for row in found] == [("1.search/0",)] * 3
        assert found[0].text == "a\nb" and found[0].steps == 2 and found[0].value == 1.0
        assert reader.samples("first", limit=1, offset=2) == found[2:]
        assert reader.samples("first", offset=3) == reader.samples("other") == []
        assert reader.count_samples("other") == 0
