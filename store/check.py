"""Is a store sound? And the way back when its index is not: make it anew."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.rows import (
    checkpoint_from,
    evaluation_from,
    judgement_from,
    labels_from,
    metric_from,
    note_from,
    outcomes_from,
    override_from,
    sample_from,
)
from store.encoding.searches import search_from
from store.errors import InputError, StoreError
from store.files.folders import leftovers
from store.files.journal import Journal, take_in
from store.files.jsonl import parse_lines
from store.files.layout import (
    MERGING,
    RUNS,
    RunLayout,
    check_index,
    check_phase,
    check_rule,
    merging_lock,
    run_names,
)
from store.files.lock import is_held, is_locked
from store.files.plain import check_place, is_plain, is_plain_folder, oddities, plain_files, read_plain
from store.files.verification import (
    checkpoint_folders,
    damaged_checkpoint,
    damaged_files,
    damaged_rows,
    missing_checkpoint,
    unknown_phases,
)
from store.index.comparison import index_findings
from store.index.rebuild import rebuild_index
from store.index.tables import Source, sources, tree_number
from store.tree import Tree, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def check(root: Path) -> list[str]:
    """Look at every line of every file of the store at ``root``; changes nothing.

    Returns:
        One line for each finding, with file and line; none for a sound store.

    Raises:
        InputError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name a folder that holds a store")
    findings = [*_misplaced(root), *_half_merged(root)]
    runs = run_names(root)
    live = [run for run in runs if is_locked(RunLayout(root, run).folder)]
    for run in runs:
        findings += _RunCheck(RunLayout(root, run)).findings()
    return [*findings, *index_findings(root, runs, live)]


def rebuild(root: Path) -> dict[str, int]:
    """Make the index of the store at ``root`` anew from the files.

    Returns:
        How many rows each table has, and under ``broken`` how many lines of files were left out because
        they make no sense (:func:`check` names them).

    Raises:
        InputError: ``root`` is no folder.
        BusyError: another program holds the index.
        StoreError: the index cannot be written.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name a folder that holds a store")
    return rebuild_index(root)


def _misplaced(root: Path) -> Iterator[str]:
    """What stands where the index or a run belongs, and is neither."""
    try:
        check_index(root)
        check_place(root, root / RUNS)
    except StoreError as error:
        yield str(error)
        return
    for path in sorted((root / RUNS).glob("*")):
        try:
            check_place(root, path)
        except StoreError as error:
            yield str(error)


def _half_merged(root: Path) -> Iterator[str]:
    """What a merge that was ended has left."""
    folder = root / MERGING
    if is_plain_folder(folder) and not is_held(merging_lock(root)):
        yield f"{folder}: left by a merge that was ended; merge again, or delete it"


class _RunCheck:
    """The check of one run; trees are remembered by their size, for what refers to them."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._live = is_locked(layout.folder)
        self._sizes: dict[str, int] = {}
        self._journal = Journal()
        self._overridden = 0
        self._readers: dict[str, Callable[[Source, Any, str], Iterator[str]]] = {
            "phases": self._phase,
            "overrides": self._override,
            "trees": self._tree,
            "labels": self._labels,
            "samples": self._sample,
            "checkpoints": self._checkpoint,
            "metrics": self._metric,
            "evaluations": self._evaluation,
            "outcomes": self._outcomes,
        }

    def findings(self) -> Iterator[str]:
        yield from oddities(self._layout.folder)
        yield from self._single_files()
        for source in sources(self._layout):
            yield from self._file(source)
        yield from self._not_indexed()
        yield from self._written()
        if not self._live:
            yield from leftovers(self._layout.folder)

    def _written(self) -> Iterator[str]:
        """What is not as it was written."""
        layout, journal = self._layout, self._journal
        yield from unknown_phases(layout, journal)
        yield from damaged_files(layout, journal)
        yield from damaged_rows(layout, journal)
        for name, files in checkpoint_folders(journal).items():
            missing = missing_checkpoint(layout, name, files)
            if missing is not None:
                yield missing
            else:
                yield from damaged_checkpoint(layout, name, files, read=True)
        if not self._live:
            for path in (path for path, labels in journal.labels.items() if labels is None):
                yield f"{layout.folder / path}: was being replaced; label these trees again"

    def _single_files(self) -> Iterator[str]:
        layout = self._layout
        readers: tuple[tuple[Path, Callable[[str], Any]], ...] = (
            (layout.config, tomllib.loads),
            (layout.environment, orjson.loads),
        )
        for path, parse in readers:
            try:
                parse(read_plain(path).decode("utf-8"))
            except StoreError:
                continue  # no file, which is among the findings already
            except (OSError, ValueError, RecursionError) as error:
                yield f"{path}: cannot be read: {error}"
        if not layout.phases.is_symlink() and not layout.phases.exists():
            yield f"{layout.phases}: missing; the run does not show in the index"

    def _not_indexed(self) -> Iterator[str]:
        """What is wrong in the files that the index does not have."""
        layout = self._layout
        if is_plain(layout.notes):
            yield from _unreadable(layout.notes, lambda row, where: note_from(row, where, layout.run))
        for path in plain_files(layout.folder / "judgements", "*.jsonl"):
            yield from _unreadable(path, judgement_from)

    def _file(self, source: Source) -> Iterator[str]:
        end = 0
        try:
            if source.kind in ("trees", "labels", "samples"):
                check_phase(source.phase)
            if source.kind == "labels":
                check_rule(source.rule)
        except InputError as error:
            yield f"{source.path}: {error}"
        finished = source.relative in {known.path for known in self._journal.finished_files()}
        for line, row in parse_lines(source.path, whole=finished):
            where = f"{source.path}:{line.number}"
            end = line.end
            if isinstance(row, ValueError) and source.kind != "phases":
                yield f"{where}: {row}"
                continue
            try:
                yield from self._readers[source.kind](source, row, where)
            except StoreError as error:
                yield str(error)
        if end != source.path.stat().st_size and not finished and not self._live:
            yield f"{source.path}: the last line is not whole; it goes when the run is started again"

    def _phase(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        take_in(self._journal, row, where)
        yield from ()

    def _override(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        self._overridden += 1
        override_from(row, where, self._overridden)
        yield from ()

    def _tree(self, source: Source, row: Any, where: str) -> Iterator[str]:
        record = search_from(row, where)
        tree_number(record.header, source.phase, where)
        tree_id = record.header.id
        if tree_id in self._sizes:
            yield f"{where}: tree {tree_id!r} is there twice; the first counts, delete this line"
        try:
            tree = fold(record.events)
        except ValueError as error:
            yield f"{where}: the events do not make a tree: {error}"
            return
        self._sizes.setdefault(tree_id, len(tree.nodes))
        result = record.result
        if (result.nodes, result.finished) != (len(tree.nodes), len(tree.finished())):
            yield f"{where}: the result counts other nodes than the tree of {tree_id!r} has"
        if result.cost != tree.cost:
            yield f"{where}: the result counts other tokens or calls than the events of {tree_id!r} took"
        if tree.stopped is None:
            yield f"{where}: the search {tree_id!r} has no end"
        yield from _ranges(tree, where)

    def _labels(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        labels = labels_from(row, where)
        tree, values = labels.tree, labels.values
        size = self._sizes.get(tree)
        if size is None:
            yield f"{where}: labels of tree {tree!r}, which is not in the run"
        elif size != len(values):
            yield f"{where}: {len(values)} labels for the {size} nodes of tree {tree!r}"
        if any(value is not None and not 0 <= value <= 1 for value in values):
            yield f"{where}: a label of tree {tree!r} is not between 0 and 1"

    def _sample(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        for tree in sample_from(row, where).trees:
            if tree not in self._sizes:
                yield f"{where}: a sample from tree {tree!r}, which is not in the run"

    def _checkpoint(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        _, made = checkpoint_from(row, where, self._layout.run)
        if not (self._layout.folder / made.path).is_dir():
            yield f"{where}: the checkpoint folder {made.path} is missing"

    def _metric(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        metric_from(row, where, self._layout.run)
        yield from ()

    def _evaluation(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        found = evaluation_from(row, where, self._layout.run)
        if not 0 <= found.correct <= found.problems:
            yield f"{where}: {found.correct} of {found.problems} problems cannot be correct"

    def _outcomes(self, _source: Source, row: Any, where: str) -> Iterator[str]:
        found = outcomes_from(row, where, self._layout.run)
        for number in found.numbers:
            if f"{found.searched_in}/{number}" not in self._sizes:
                yield f"{where}: an outcome of tree {found.searched_in}/{number}, which is not in the run"
        if any(share is not None and not 0 <= share <= 1 for share in found.shares):
            yield f"{where}: a share is not between 0 and 1"


def _unreadable(path: Path, read: Callable[[Any, str], object]) -> Iterator[str]:
    for line, row in parse_lines(path):
        where = f"{path}:{line.number}"
        if isinstance(row, ValueError):
            yield f"{where}: {row}"
            continue
        try:
            read(row, where)
        except StoreError as error:
            yield str(error)


def _ranges(tree: Tree, where: str) -> Iterator[str]:
    for node in tree.nodes:
        if not 0 <= node.value <= 1 or node.visits < 0:
            yield f"{where}: node {node.id} has value {node.value} and {node.visits} visits"
            return
