"""Writing a run: its searches, labels, samples, checkpoints and measurements.

What is written is with the operating system before the call returns, so it survives the end of the
process, and is forced to the disk every few seconds and when a phase ends. After a crash or a full disk
the run is opened again and goes on: finished searches stay, half-written lines are cut off, and an
unfinished phase measures again from its start.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from store.encoding.rows import (
    encode_checkpoint,
    encode_evaluation,
    encode_labels,
    encode_metric,
    encode_sample,
    sample_from,
)
from store.encoding.searches import encode_search, search_failed, search_from, search_id
from store.errors import StoreError
from store.files.atomic import make_folder, replace_file
from store.files.config import write_config, write_environment
from store.files.inputs import the_same, to_rows
from store.files.journal import Journal, Phase, encode_entry, entry, take_in
from store.files.jsonl import Line, LineWriter, read_at, read_rows
from store.files.layout import RunLayout, check_phase
from store.files.lock import RunLock
from store.index.run_index import RunIndex
from store.index.tables import number_of, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from store.events import SearchRecord
    from store.records import Checkpoint, Evaluation, Metric, Sample

_log = logging.getLogger("restmcts.store")


class RunWriter:
    """The one writer of a run; :meth:`create_or_open` makes it. Any thread may call it.

    Every method raises :class:`StoreError` with one line when a file cannot be written. Nothing is lost
    then: the same call can be made again once there is space.
    """

    def __init__(self, layout: RunLayout, lock: RunLock, index: RunIndex) -> None:
        self.layout = layout
        self._run_lock = lock
        self._index = index
        self._mutex = threading.RLock()
        self._files: dict[Path, LineWriter] = {}
        self._finished: dict[str, set[str]] = {}
        self._started_at: dict[str, float] = {}
        self._journal = Journal()
        self._closed = False

    @classmethod
    def create_or_open(
        cls,
        root: Path,
        run: str,
        *,
        config: str,
        environment: dict[str, Any],
        note: Callable[[str], None] = _log.warning,
    ) -> RunWriter:
        """Start the run ``run`` in the store at ``root``, or go on with it.

        Args:
            config: the resolved configuration as TOML; its top-level key ``recipe`` names the recipe.
            environment: versions, hardware, seeds; a later one goes into the journal of the run.
            note: is told what the user should know, in one line, such as that the index is behind.

        Raises:
            InputError: the run was started with another configuration; the message shows the difference.
            StoreError: another process writes the run, or a file cannot be written or is a link.
        """
        layout = RunLayout(root, run)
        layout.check_plain()
        make_folder(layout.folder)
        writer = cls(layout, RunLock.take(layout.folder), RunIndex(layout, note))
        try:
            writer._open(config, environment)
        except BaseException:
            writer._release()
            raise
        return writer

    def _open(self, config: str, environment: dict[str, Any]) -> None:
        write_config(self.layout, config)
        changed = write_environment(self.layout, environment)
        journal = self._file(self.layout.phases)
        for line, row in read_rows(self.layout.phases):
            take_in(self._journal, row, f"{self.layout.phases}:{line.number}")
        if not self._journal.created:
            self._note(entry("created"))
        elif changed:
            self._note(entry("resumed", environment=environment))
        journal.sync()
        self.sync_index()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        # The failure that is under way says more than that the disk is full once more.
        with suppress(StoreError):
            self.close()

    def close(self) -> None:
        """Force everything to the disk, bring the index up to date and let others write the run.

        Does nothing the second time.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._index.sync(last=True)
        finally:
            self._release()

    def _release(self) -> None:
        try:
            self._close_files()
        finally:
            self._index.close()
            self._run_lock.release()

    def sync_index(self) -> list[str]:
        """Bring the index up to date, as far as it can be written: it is a cache, and ends no run.

        Returns:
            One line for each line of a file that makes no sense, which the index leaves out.
        """
        return self._index.sync()

    def finish_run(self) -> None:
        """Note that the run is done; starting another phase takes that back."""
        with self._mutex:
            if not self._journal.finished:
                self._note(entry("finished"))
                self._sync_files()

    # Phases

    def phases(self) -> list[Phase]:
        """The phases so far, in the order in which they first started."""
        return [replace(phase) for phase in self._journal.phases.values()]

    @property
    def is_finished(self) -> bool:
        """Whether the run is done."""
        return self._journal.finished

    def phase_status(self, name: str) -> str | None:
        """``running`` (also after a crash), ``done`` or ``failed``; None for a phase never started."""
        phase = self._journal.phases.get(name)
        return None if phase is None else phase.status

    def phase_summary(self, name: str) -> dict[str, Any]:
        """What the phase reported at its end, empty before."""
        phase = self._journal.phases.get(name)
        return {} if phase is None else dict(phase.summary)

    def note_uses(self, phase: str, kind: str, origins: dict[str, str]) -> None:
        """Note what a started phase uses by name; nothing is written when that is known already.

        Args:
            phase: the phase; it may be done, since its trees can be labelled later.
            kind: what is used, for example ``search_methods``.
            origins: the distribution and the version of each, by name, for example
                ``{"mcts": "restmcts 0.1"}``.

        Raises:
            StoreError: the phase was never started.
        """
        with self._mutex:
            if phase not in self._journal.phases:
                raise StoreError(f"phase {phase!r} of run {self.layout.run!r} was never started")
            known = self._journal.phases[phase].uses.get(kind, {})
            new = {name: origin for name, origin in origins.items() if known.get(name) != origin}
            if new:
                self._note(entry("uses", phase=phase, uses={kind: new}))

    def note_input(self, path: Path) -> None:
        """Note what a file or a model folder outside of the run holds, or see that it still holds it.

        Raises :class:`InputError` when it holds something else now; the message names the difference.
        """
        with self._mutex:
            known = self._journal.inputs.get(str(path))
            found = the_same(path, known, self.layout.run)
            if found != known:
                self._note(entry("inputs", path=str(path), files=to_rows(found)))

    def start_phase(self, name: str, kind: str, iteration: int | None, *, again: bool = False) -> None:
        """Start a phase, or start an unfinished one again; ``again`` also starts one that is done.

        Again, its searches are kept, but for those that failed: they can be run once more. What it had
        written to the metrics, evaluations and checkpoints is dropped, as it will be measured again.

        Raises:
            StoreError: the phase is done, and is not to be started again.
        """
        with self._mutex:
            if self.phase_status(check_phase(name)) == "done" and not again:
                raise StoreError(f"phase {name!r} of run {self.layout.run!r} is done; start another one")
            for path in (self.layout.metrics, self.layout.evaluations, self.layout.checkpoints):
                self._drop_rows(path, lambda row: type(row) is dict and row.get("phase") == name)
            self._drop_rows(self.layout.trees(name), search_failed)
            self._finished.pop(name, None)
            self._note(entry("started", phase=name, kind=kind, iteration=iteration))
            self._started_at[name] = time.monotonic()

    def finish_phase(self, name: str, summary: dict[str, Any]) -> None:
        """End a phase; everything that it wrote is on the disk before it counts as done."""
        self._end_phase("done", name, summary)

    def fail_phase(self, name: str, message: str) -> None:
        """Note that a phase could not be ended; it can be started again."""
        self._end_phase("failed", name, {"message": message})

    def _end_phase(self, event: str, name: str, summary: dict[str, Any]) -> None:
        with self._mutex:
            self._need_open(name)
            self._sync_files()
            seconds = time.monotonic() - self._started_at[name]
            self._note(entry(event, phase=name, seconds=seconds, summary=summary))
            self._sync_files()

    def _need_open(self, name: str) -> None:
        if self.phase_status(name) != "running" or name not in self._started_at:
            raise StoreError(f"phase {name!r} of run {self.layout.run!r} is not open; start it first")

    def _drop_rows(self, path: Path, unwanted: Callable[[Any], bool]) -> None:
        """Take rows out of a file."""
        if any(unwanted(row) for _, row in read_rows(path)):
            self._close_file(path)
            replace_file(path, (line.data + b"\n" for line, row in read_rows(path) if not unwanted(row)))

    def _note(self, row: dict[str, Any]) -> None:
        data = encode_entry(row)
        self._file(self.layout.phases).append(data)
        take_in(self._journal, orjson.loads(data), str(self.layout.phases))

    # Searches

    def add_tree(self, record: SearchRecord) -> None:
        """Write a finished search of an open phase.

        Raises:
            StoreError: it is there already, it is not named ``<phase>/<number>``, or it holds something
                that JSON does not have (NaN, infinity).
        """
        header = record.header
        data = encode_search(record)
        with self._mutex:
            self._need_open(header.phase)
            number_of(header.id, header.phase, "the record")
            finished = self._known_trees(header.phase)
            if header.id in finished:
                raise StoreError(f"tree {header.id!r} of run {self.layout.run!r} is there already")
            self._file(self.layout.trees(header.phase)).append(data)
            finished.add(header.id)

    def finished_trees(self, phase: str) -> set[str]:
        """The ids of the searches of a phase that are written."""
        with self._mutex:
            return set(self._known_trees(phase))

    def _known_trees(self, phase: str) -> set[str]:
        known = self._finished.get(phase)
        if known is None:
            path = self.layout.trees(phase)
            if path.exists():
                self._file(path)  # cuts off a torn last line, so that nothing counts that readers drop
            known = {_identified(row, f"{path}:{line.number}") for line, row in read_rows(path)}
            self._finished[phase] = known
        return known

    def read_trees(self, phase: str) -> Iterator[SearchRecord]:
        """The searches of a phase, in the order of the file.

        Raises:
            StoreError: a line cannot be read; the message names it.
        """
        path = self.layout.trees(phase)
        for line, row in read_rows(path):
            yield search_from(row, f"{path}:{line.number}")

    def seal_trees(self, phase: str) -> None:
        """Put the searches of a phase in the order of their numbers.

        The file then does not depend on the order in which they finished.
        """
        with self._mutex:
            path = self.layout.trees(phase)
            places = [_place(path, line, row) for line, row in read_rows(path)]
            ordered = sorted(places, key=lambda place: place.number)
            if ordered == places:
                return
            self._close_file(path)
            self.sync_index()
            before = path.stat().st_ino
            replace_file(path, (_bytes(path, place) for place in ordered))
            self._index.relocate(source(self.layout, f"trees/{path.name}"), before, _offsets(ordered))

    # Labels and samples

    def write_labels(
        self, phase: str, rule: str, rows: Iterable[tuple[str, tuple[float | None, ...]]]
    ) -> None:
        """Write the quality values by one rule: for each tree one value a node, None without a label."""
        path = self.layout.labels(phase, rule)
        replace_file(path, (encode_labels(tree, values) + b"\n" for tree, values in rows))

    def write_samples(self, phase: str, rows: Iterable[Sample]) -> None:
        """Write the training samples that a phase made."""
        replace_file(self.layout.samples(phase), (encode_sample(sample) + b"\n" for sample in rows))

    def read_samples(self, phase: str) -> Iterator[Sample]:
        """What :meth:`write_samples` wrote."""
        path = self.layout.samples(phase)
        for line, row in read_rows(path):
            yield sample_from(row, f"{path}:{line.number}")

    # Checkpoints and measurements

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint of the phase that was started last."""
        with self._mutex:
            phase = self._journal.latest
            if phase is None:
                raise StoreError(f"run {self.layout.run!r} has no open phase; start one first")
            self._need_open(phase.name)
            self._file(self.layout.checkpoints).append(encode_checkpoint(checkpoint, phase.name))

    def add_metric(self, metric: Metric) -> None:
        """Write one number that an open phase measured."""
        with self._mutex:
            self._need_open(metric.phase)
            self._file(self.layout.metrics).append(encode_metric(metric))

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Write one result of an open phase."""
        with self._mutex:
            self._need_open(evaluation.phase)
            self._file(self.layout.evaluations).append(encode_evaluation(evaluation))

    # Files

    def _file(self, path: Path) -> LineWriter:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = LineWriter(path)
        return file

    def _close_file(self, path: Path) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            file.close()

    def _sync_files(self) -> None:
        for file in self._files.values():
            file.sync()

    def _close_files(self) -> None:
        for path in list(self._files):
            self._close_file(path)


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    start: int
    end: int


def _identified(row: Any, where: str) -> str:
    found = search_id(row)
    if found is None:
        raise StoreError(f"{where}: no search of this program; restore the file or delete the line")
    return found


def _place(path: Path, line: Line, row: Any) -> _Place:
    where = f"{path}:{line.number}"
    number = number_of(_identified(row, where), path.stem, where)
    return _Place(number, line.offset, line.end)


def _bytes(path: Path, place: _Place) -> bytes:
    data = read_at(path, place.start, place.end - place.start)
    if data is None:
        raise StoreError(f"{path} became shorter while it was read; start the run again")
    return data


def _offsets(places: list[_Place]) -> Iterator[tuple[int, int]]:
    offset = 0
    for place in places:
        yield offset, place.number
        offset += place.end - place.start
