"""The files of labels of a phase, when trees of the phase are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.encoding.rows import labels_from
from store.encoding.searches import search_failed, search_id
from store.files.jsonl import read_rows
from store.files.plain import plain_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from store.files.layout import RunLayout

LabelRows = list[tuple[str, tuple[float | None, ...]]]
"""The names of trees, each with a value for every node of the tree."""


def failed_searches(path: Path) -> set[str]:
    """The names of the trees in a file that an engine ended."""
    return {search_id(row) or "" for _, row in read_rows(path) if search_failed(row)}


def labels_without(layout: RunLayout, phase: str, gone: Collection[str]) -> Iterator[tuple[str, LabelRows]]:
    """Each rule that has labelled one of the trees ``gone`` of a phase, with its labels of the others."""
    if not gone:
        return
    for path in plain_files(layout.plain(layout.folder / "labels"), f"{phase}.*.jsonl"):
        rule = path.name.removeprefix(f"{phase}.").removesuffix(".jsonl")
        if "." in rule:
            continue  # of a phase whose name goes on
        found = [labels_from(row, f"{path}:{line.number}") for line, row in read_rows(path, whole=True)]
        kept = [(row.tree, row.values) for row in found if row.tree not in gone]
        if len(kept) < len(found):
            yield rule, kept
