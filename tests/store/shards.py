"""Searches that are shared out among runs, as a command would leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from store.events import SearchRecord
from store.files.layout import RunLayout
from store.merging.merge import Arrived, merge
from store.merging.shards import Shard
from store.runs.writer import RunWriter
from tests.store.build import ENVIRONMENT, record

SEARCH = 'recipe = "search"\nseed = 1\nconcurrency = 4\n'
COUNTS = ("trees", "solved", "failed")


def config(shard: Shard | None, text: str = SEARCH) -> str:
    """The configuration of a shard, whose key lies among others."""
    return text if shard is None else text.replace("seed", f'shard = "{shard}"\nseed', 1)


def searched(
    root: Path,
    run: str,
    records: Sequence[SearchRecord],
    shard: Shard | None = None,
    *,
    text: str = SEARCH,
    done: bool = True,
    uses: str = "restmcts 0.1",
    environment: dict[str, Any] | None = None,
) -> RunLayout:
    """A run that has made some searches, as a search does it."""
    about = ENVIRONMENT if environment is None else environment
    with RunWriter.create_or_open(root, run, config=config(shard, text), environment=about) as writer:
        writer.start_phase("search", "search", 0)
        writer.note_uses("search", "search_methods", {"mcts": uses})
        for one in records:
            writer.add_tree(one)
        if done:
            writer.seal_trees("search")
            failed = [one for one in records if one.result.reason == "failed"]
            solved = [one for one in records if one.result.correct]
            figures = dict(zip(COUNTS, map(len, (records, solved, failed)), strict=True))
            writer.finish_phase("search", figures)
            writer.finish_run()
    return writer.layout


def made(count: int) -> list[SearchRecord]:
    return [record(number, "search", correct=number % 3 > 0) for number in range(count)]


def sharded(root: Path, records: Sequence[SearchRecord], count: int, run: str = "search-mcts") -> None:
    """Search in shards, the last of which begins first."""
    for number in range(count, 0, -1):
        shard = Shard(number, count)
        searched(root, f"{run}{shard.ending}", shard.of(records), shard)


def merged(*paths: Path, into: Path, name: str | None = None, partial: bool = False) -> list[Arrived]:
    """Merge, where nothing is to be told."""

    def tell(line: str) -> None:
        raise AssertionError(line)

    return merge(paths, into, name, partial=partial, note=tell)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    # The last line of a journal may be torn.
    data[len(data) // 2 if path.name == "phases.jsonl" else -9] ^= 1
    path.write_bytes(data)
