"""Reading a store through its index, while a run is being written or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson

from store.encoding.searches import decode_search, search_id
from store.errors import InputError, StoreError
from store.files.jsonl import find_line, read_at
from store.files.layout import RunLayout, run_names
from store.index.connection import Connection
from store.index.reading import comparing, runs, samples, searches
from store.index.reading.searches import ORDERS
from store.index.reading.solutions import solutions
from store.runs.notes import read_notes
from store.runs.overrides import Overrides, overlay
from store.runs.progress import read_progress
from store.runs.reading import read_overrides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.events import SearchRecord
    from store.queries import Bin, Compared, MatrixRow, SettingDifference, Side, TreeFilter
    from store.records import (
        Checkpoint,
        Evaluation,
        Metric,
        Note,
        PhaseSummary,
        Progress,
        RunSummary,
        SampleSummary,
        Solution,
        TreeSummary,
    )

__all__ = ["ORDERS", "StoreReader"]


class StoreReader:
    """The runs of the store at ``root``; changes nothing.

    Any thread may call it: one connection, one query at a time. A store without an index (no run was
    started yet) is empty.

    Raises:
        InputError: ``root`` is no folder.
        StoreError: there are runs but no index, or the index or a file cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; name a folder that holds a store")
        self.root = root
        self._connection = Connection(root)
        self._rows = self._connection.rows

    def close(self) -> None:
        """Let go of the index; the next call opens it again."""
        self._connection.close()

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def beside(self) -> StoreReader:
        """Another reader of this store; its queries neither wait for those of this one nor end with them."""
        return StoreReader(self.root)

    def interrupt(self) -> None:
        """Give up the queries that run or wait: they raise :class:`store.errors.InterruptedReadError`.

        Queries that begin later are answered.
        """
        self._connection.interrupt()

    def version(self) -> int:
        """A number that is another one after every change of the index, and when a run loses its writer."""
        version, written, _ = self.pulse()
        return version + (crc32("/".join(written).encode()) << 31 if written else 0)

    def pulse(self) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
        """What is another one whenever something has happened; quick enough to look once a second.

        Returns:
            The version of the index, the unfinished runs that a process writes now, so that one that was
            killed shows, and for every unfinished run when its progress was written.
        """
        return runs.pulse(self._rows, self.root)

    def runs(self) -> list[RunSummary]:
        """All runs, the newest first."""
        return runs.runs(self._rows, self.root)

    def run(self, name: str) -> RunSummary:
        """One run. Raises :class:`InputError` when there is none of that name."""
        found = runs.runs(self._rows, self.root, name)
        if not found:
            raise InputError(self._absent(name))
        return found[0]

    def unindexed(self) -> list[str]:
        """The runs that have a folder in the store, but are not in the index: copied in, or behind it."""
        known = {row[0] for row in self._rows("SELECT run FROM runs")}
        return [run for run in run_names(self.root) if run not in known]

    def _absent(self, name: str) -> str:
        if name in self.unindexed():
            return (
                f"run {name!r} is in {self.root}, but not in its index: `restmcts store rebuild` takes it in"
            )
        return f"no run {name!r} in {self.root}"

    def phases(self, run: str) -> list[PhaseSummary]:
        """The phases of a run, in the order in which they first started."""
        return runs.phases(self._rows, self.root, run)

    def progress(self, run: str) -> Progress | None:
        """How far the running phase of a run has come; None where no process writes the run."""
        layout = RunLayout(self.root, run)
        return read_progress(layout) if runs.is_written(self.root, run) else None

    def trees(
        self,
        wanted: TreeFilter,
        *,
        order_by: str = "number",
        descending: bool = False,
        limit: int = 200,
        offset: int = 0,
    ) -> list[TreeSummary]:
        """A page of the searches that pass a filter.

        Equals are ordered by number, then by phase.

        Raises:
            InputError: ``order_by`` is not in :data:`ORDERS`, or the filter cannot be used.
        """
        return searches.page(self._rows, wanted, self._noted(wanted), order_by, descending, limit, offset)

    def counted_trees(
        self,
        wanted: TreeFilter,
        *,
        order_by: str = "number",
        descending: bool = False,
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[list[TreeSummary], int]:
        """A page as :meth:`trees` has it, and how many searches pass the filter.

        A page that would lie behind the last one is the last one; ``limit`` is 1 or more.
        """
        return searches.counted_page(
            self._rows, wanted, self._noted(wanted), order_by, descending, limit, offset
        )

    def count_trees(self, wanted: TreeFilter) -> int:
        """How many searches :meth:`trees` has with the same filter."""
        return searches.count(self._rows, wanted, self._noted(wanted))

    def histogram(self, wanted: TreeFilter, name: str, bins: int = 20) -> list[Bin]:
        """How a figure is spread over the searches that pass a filter; empty where none has it.

        Args:
            wanted: the filter.
            name: one of :data:`store.index.reading.filters.FIGURES`.
            bins: at most so many bars, all equally wide; of whole numbers none is narrower than 1.
        """
        return searches.histogram(self._rows, wanted, self._noted(wanted), name, bins)

    def _noted(self, wanted: TreeFilter) -> list[str]:
        return [note.tree for note in self.notes(wanted.run)] if "noted" in wanted.kinds else []

    def methods(self, run: str) -> list[str]:
        """The methods that a run has searched with, sorted."""
        sql = "SELECT DISTINCT method FROM trees WHERE run = ? ORDER BY method"
        return [row[0] for row in self._rows(sql, (run,))]

    def iterations(self, run: str) -> list[int]:
        """The iterations that have searches, sorted."""
        sql = "SELECT DISTINCT iteration FROM trees WHERE run = ? AND iteration IS NOT NULL ORDER BY 1"
        return [row[0] for row in self._rows(sql, (run,))]

    def searched(self, run: str) -> list[tuple[str, str]]:
        """The phases of a run that have verdicts, with the methods of each, in the order of the phases."""
        return searches.searched(self._rows, run)

    def problem_trees(self, run: str, problem: str) -> list[TreeSummary]:
        """All searches of one problem, by phase, method and number."""
        return comparing.problem_trees(self._rows, run, problem)

    def solutions(self, run: str, tree: str) -> tuple[Solution, ...]:
        """The solution that a search has answered with, then the best right one if that is another.

        Empty without a finished node, and for a search that the index does not have.
        """
        return solutions(self._rows, run, tree)

    def compare(self, a: Side, b: Side) -> Compared:
        """Two sides, problem by problem.

        Where an evaluation was made before verdicts were changed by a person, or by an older version that did
        not write what its problems were worth, the answer of the search as a whole counts.

        Raises:
            InputError: the run has no evaluation of that name, rule and budget.
        """
        return comparing.compare(self._rows, a, b, self._changed(a.run), self._changed(b.run))

    def matrix(self, sides: Sequence[Side]) -> list[MatrixRow]:
        """Several sides, problem by problem; those come first on which the sides differ most.

        Raises what :meth:`compare` raises.
        """
        return comparing.matrix(self._rows, sides, {side.run: self._changed(side.run) for side in sides})

    def _changed(self, run: str) -> set[str]:
        return {override.problem for override in self.overrides(run).in_force()}

    def record(self, run: str, tree: str) -> SearchRecord:
        """The whole search ``tree`` (``<phase>/<number>``), with the verdicts that a person has changed.

        Raises:
            InputError: there is no such search.
            StoreError: its line cannot be read.
        """
        phase, _, number = tree.rpartition("/")
        if not phase or not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise InputError(f"{tree!r} is no tree; trees are named <phase>/<number>")
        layout = RunLayout(self.root, run)
        path = layout.plain(layout.trees(phase))
        sql = "SELECT offset, length FROM trees WHERE run = ? AND phase = ? AND number = ?"
        for row in self._rows(sql, (run, phase, int(number))):
            line = read_at(path, row["offset"], row["length"])
            record = None if line is None else _decoded(line)
            if record is not None and record.header.id == tree:
                return overlay(record, read_overrides(layout))
        found = find_line(path, lambda row: search_id(row) == tree)
        if found is None:
            raise InputError(f"no tree {tree!r} in run {run!r}")
        return overlay(decode_search(found.data, f"{path}:{found.number}"), read_overrides(layout))

    def numbered(self, run: str, number: int) -> list[str]:
        """The searches of a run that have this number, one for each phase that has such a search."""
        sql = "SELECT id FROM trees WHERE run = ? AND number = ? ORDER BY phase"
        return [row["id"] for row in self._rows(sql, (run, number))]

    def overrides(self, run: str) -> Overrides:
        """The verdicts of a run that a person has changed. Raises :class:`StoreError` like :meth:`record`."""
        return read_overrides(RunLayout(self.root, run))

    def notes(self, run: str) -> list[Note]:
        """What people have noted about the trees of a run, in the order of writing."""
        return read_notes(RunLayout(self.root, run))

    def labels(self, run: str, tree: str) -> dict[str, tuple[float | None, ...]]:
        """The quality values of a tree's nodes, by rule: item i is for node i, None has no label.

        Where two phases labelled by the same rule, the one that comes last by name counts.
        """
        sql = "SELECT rule, labels FROM labels WHERE run = ? AND tree = ? ORDER BY rule, phase"
        return {row["rule"]: tuple(orjson.loads(row["labels"])) for row in self._rows(sql, (run, tree))}

    def metrics(self, run: str) -> list[Metric]:
        """Everything that the phases of a run measured, in order."""
        return runs.metrics(self._rows, run)

    def checkpoints(self, run: str) -> list[Checkpoint]:
        """The checkpoints of a run, in the order in which they were made."""
        return runs.checkpoints(self._rows, run)

    def evaluations(self, run: str) -> list[Evaluation]:
        """The evaluations of a run, in the order in which they were made."""
        return runs.evaluations(self._rows, run)

    def samples(self, run: str, *, limit: int = 200, offset: int = 0) -> list[SampleSummary]:
        """A page of the samples that a run has made to learn from, by phase and number."""
        return samples.samples(self._rows, run, limit, offset)

    def count_samples(self, run: str) -> int:
        """How many samples :meth:`samples` has."""
        return samples.count_samples(self._rows, run)

    def settings(self, run: str) -> dict[str, Any]:
        """The settings of a run, such as ``{"search.branch": 3}``; empty where its file cannot be read."""
        return runs.settings(self._rows, run)

    def settings_diff(self, run_a: str, run_b: str) -> list[SettingDifference]:
        """The settings that two runs do not have alike, by their keys."""
        return runs.settings_diff(self._rows, run_a, run_b)


def _decoded(line: bytes) -> SearchRecord | None:
    try:
        return decode_search(line)
    except StoreError:
        return None  # a stale offset points into the middle of some line: the caller looks for the right one
