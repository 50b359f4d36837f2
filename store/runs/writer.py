"""Writing a run: its searches, labels, samples, checkpoints and measurements.

What is written is with the operating system before the call returns, so it survives the end of the
process, and is forced to the disk every few seconds and when a phase ends. After a crash or a full disk
the run is opened again and goes on: finished searches stay, half-written lines are cut off, and an
unfinished phase measures again from its start. A run whose finished files were damaged is refused.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from store.encoding.lines import parse_line
from store.encoding.rows import (
    encode_checkpoint,
    encode_evaluation,
    encode_labels,
    encode_metric,
    encode_outcomes,
    encode_override,
    encode_sample,
)
from store.encoding.searches import encode_search, search_failed
from store.errors import StoreError
from store.files.atomic import make_folder, replace_file
from store.files.config import write_config, write_environment
from store.files.fingerprints import Fingerprint, fingerprint_file
from store.files.inputs import the_same, to_rows
from store.files.journal import Journal, Phase, encode_entry, entry, take_in
from store.files.jsonl import read_rows
from store.files.layout import RunLayout, check_phase
from store.files.lock import RunLock
from store.files.open_files import OpenFiles
from store.files.verification import Verifier
from store.files.written import Written
from store.index.run_index import RunIndex
from store.index.tables import number_of, source
from store.runs.labels import failed_searches, labels_without
from store.runs.overrides import Overrides
from store.runs.reading import read_overrides, read_samples, read_trees
from store.runs.sealing import content, new_offsets, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from store.events import SearchRecord
    from store.records import Checkpoint, Evaluation, Metric, Outcomes, Sample

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
        self._files = OpenFiles()
        self._written = Written(layout)
        self._finished: dict[str, set[str]] = {}
        self._started_at: dict[str, float] = {}
        self._journal = Journal()
        self._verifier = Verifier(layout, self._journal)
        self._closed = False
        self.overrides = Overrides()  # verdicts that a person has changed

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
            StoreError: another process writes the run, a file cannot be written or is a link, or a finished
                file is missing or damaged.
        """
        layout = RunLayout(root, run)
        layout.check_plain()
        make_folder(layout.folder)
        writer = cls(layout, RunLock.take(layout.folder), RunIndex(layout, note))
        try:
            writer._open(config, environment, note)
        except BaseException:
            writer._release()
            raise
        return writer

    def _open(self, config: str, environment: dict[str, Any], note: Callable[[str], None]) -> None:
        self._files.open(self.layout.phases).sync()
        for line, row in read_rows(self.layout.phases):
            take_in(self._journal, row, f"{self.layout.phases}:{line.number}")
        self.overrides = read_overrides(self.layout)
        for finding in self._verifier.at_start():
            note(finding)
        created = bool(self._journal.created)
        write_config(self.layout, config, new=not created)
        changed = write_environment(self.layout, environment, new=not created)
        if not created:
            files = {path.name: fingerprint_file(path).to_row() for path in self.layout.written_once}
            self._note(entry("created", files=files))
        elif changed:
            self._note(entry("resumed", environment=environment))
        self.sync_index()

    def verify_checkpoint(self, name: str) -> None:
        """Compare a checkpoint, a folder relative to the run, with what was written; once, before it is used.

        Raises :class:`StoreError` when a file is missing or is another one. Unknown folders are not compared.
        """
        with self._mutex:
            self._verifier.checkpoint(name)

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
        """Force everything to the disk, bring the index up to date and let others write the run; once."""
        if self._closed:
            return
        self._closed = True
        try:
            self._index.sync(last=True)
        finally:
            self._release()

    def _release(self) -> None:
        with ExitStack() as last:
            last.callback(self._run_lock.release)
            last.callback(self._index.close)
            last.callback(self._files.close_all)

    def sync_index(self) -> list[str]:
        """Bring the index up to date, as far as it can be written: it is a cache, and ends no run.

        Returns one line for each line of a file that the index leaves out, since it makes no sense.
        """
        return self._index.sync()

    def finish_run(self) -> None:
        """Note that the run is done; starting another phase takes that back."""
        with self._mutex:
            if not self._journal.finished:
                self._note(entry("finished"))
                self.sync_index()

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
        """Note what a started phase uses, if that is not known; the phase may be done.

        ``kind`` is for example ``search_methods``; ``origins`` has the distribution and version of each name,
        such as ``{"mcts": "restmcts 0.1"}``. Raises :class:`StoreError` when the phase was never started.
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
        """Start a phase, or an unfinished one again; ``again``: also one that is done.

        Again, its searches are kept, but for those that failed: they can be run once more. What it had
        written to the metrics, evaluations and checkpoints is dropped, as it will be measured again.

        Raises:
            StoreError: the phase is done, and is not to be started again.
        """
        with self._mutex:
            if self.phase_status(check_phase(name)) == "done" and not again:
                raise StoreError(f"phase {name!r} of run {self.layout.run!r} is done; start another one")
            self._note(entry("started", phase=name, kind=kind, iteration=iteration))
            for path in self.layout.shared:
                self._files.drop_rows(path, lambda row: type(row) is dict and row.get("phase") == name)
            gone = failed_searches(self.layout.trees(name))
            self._files.drop_rows(self.layout.trees(name), search_failed)
            for rule, rows in labels_without(self.layout, name, gone):
                self.write_labels(name, rule, rows)
            self._finished.pop(name, None)
            self._written.start(name)
            self._started_at[name] = time.monotonic()
            self.sync_index()

    def finish_phase(
        self, name: str, summary: dict[str, Any], *, seconds: float | None = None, source: str | None = None
    ) -> None:
        """End a phase; everything that it wrote is on the disk before it counts as done.

        ``source`` is the run that did the phase, in so many ``seconds``, where this one has taken it over.
        """
        with self._mutex:
            self._need_open(name)
            self._files.sync()
            more = {} if source is None else {"source": source, "seconds": seconds}
            self._end_phase("done", name, summary, **self._written.fingerprints(name), **more)

    def fail_phase(self, name: str, message: str) -> None:
        """Note that a phase could not be ended; it can be started again."""
        with self._mutex:
            self._need_open(name)
            self._end_phase("failed", name, {"message": message})

    def _end_phase(self, event: str, name: str, summary: dict[str, Any], **more: Any) -> None:
        seconds = time.monotonic() - self._started_at[name]
        self._note(entry(event, phase=name, **{"seconds": seconds, "summary": summary, **more}))
        self._index.sync(optimize=event == "done")

    def _need_open(self, name: str) -> None:
        if self.phase_status(name) != "running" or name not in self._started_at:
            raise StoreError(f"phase {name!r} of run {self.layout.run!r} is not open; start it first")

    def _note(self, row: dict[str, Any]) -> None:
        """Write a line of the journal; it is on the disk before it counts."""
        data = encode_entry({**row, "number": self._journal.lines + 1})
        self._files.open(self.layout.phases).append(data, durable=True)
        take_in(self._journal, parse_line(data), str(self.layout.phases))

    def add_tree(self, record: SearchRecord, line: bytes | None = None) -> None:
        """Write a finished search of an open phase.

        Args:
            line: what :func:`encode_search` gives for it, where that is known.

        Raises:
            StoreError: it is there already, it is not named ``<phase>/<number>``, or it holds something
                that JSON does not have (NaN, infinity); or ``line`` is more than one.
        """
        header = record.header
        data = encode_search(record) if line is None else line
        if b"\n" in data:
            raise StoreError(f"tree {header.id!r} of run {self.layout.run!r} is not one line")
        with self._mutex:
            self._need_open(header.phase)
            number_of(header.id, header.phase, "the record")
            finished = self._known_trees(header.phase)
            if header.id in finished:
                raise StoreError(f"tree {header.id!r} of run {self.layout.run!r} is there already")
            self._files.open(self.layout.trees(header.phase)).append(data)
            finished.add(header.id)

    def finished_trees(self, phase: str) -> set[str]:
        """The ids of the searches of a phase that are written."""
        with self._mutex:
            return set(self._known_trees(phase))

    def _known_trees(self, phase: str) -> set[str]:
        known = self._finished.get(phase)
        if known is None:
            path = self.layout.trees(phase)
            if path.exists() and phase in self._started_at:
                self._files.open(path)  # cuts off a torn last line, so that nothing counts that readers drop
            known = self._finished[phase] = {f"{phase}/{place.number}" for place in places(path)}
        return known

    def read_trees(self, phase: str) -> Iterator[SearchRecord]:
        """See :func:`store.runs.reading.read_trees`."""
        return read_trees(self.layout, phase, self.overrides, whole=self.phase_status(phase) == "done")

    def seal_trees(self, phase: str) -> None:
        """Put the searches of a phase in the order of their numbers.

        The file then does not depend on the order in which they finished.
        """
        with self._mutex:
            path = self.layout.trees(phase)
            found = places(path)
            ordered = sorted(found, key=lambda place: place.number)
            if ordered == found:
                return
            self._files.close(path)
            self.sync_index()
            before = path.stat().st_ino
            replace_file(path, (content(path, place) for place in ordered))
            self._index.relocate(source(self.layout, f"trees/{path.name}"), before, new_offsets(ordered))

    def write_labels(
        self, phase: str, rule: str, rows: Iterable[tuple[str, tuple[float | None, ...]]]
    ) -> None:
        """Write the quality values by one rule: for each tree one value a node, None without a label."""
        path = self.layout.labels(phase, rule)

        def withdraw(found: Fingerprint) -> None:
            if known not in (None, found):
                self._note(entry("labelling", phase=phase, rule=rule))

        with self._mutex:
            known = self._journal.labels.get(f"labels/{path.name}")
            lines = (encode_labels(tree, values) + b"\n" for tree, values in rows)
            found = replace_file(path, lines, ready=withdraw)
            if found != known:
                self._note(entry("labelled", phase=phase, rule=rule, file=found.to_row()))

    def write_samples(self, phase: str, rows: Iterable[Sample]) -> None:
        """Write the training samples that a phase made."""
        replace_file(self.layout.samples(phase), (encode_sample(sample) + b"\n" for sample in rows))

    def read_samples(self, phase: str) -> Iterator[Sample]:
        """What :meth:`write_samples` wrote."""
        return read_samples(self.layout, phase)

    def override(self, problem: str, question: str, answer: str, correct: bool | None, reason: str) -> None:
        """Change a verdict, also on answers yet to come: :meth:`store.runs.overrides.Overrides.adding`."""
        with self._mutex:
            file = self._files.open(self.layout.overrides)  # cuts off a torn last line
            changed = read_overrides(self.layout).adding(problem, question, answer, correct, reason)
            file.append(encode_override(changed.log[-1]), durable=True)
            self.overrides = changed

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint of the phase that was started last."""
        with self._mutex:
            phase = self._journal.latest
            if phase is None:
                raise StoreError(f"run {self.layout.run!r} has no open phase; start one first")
            self._add_row(phase.name, self.layout.checkpoints, encode_checkpoint(checkpoint, phase.name))

    def add_checkpoint_files(self, phase: str, folder: Path, files: Mapping[str, Fingerprint]) -> None:
        """Count the files of a checkpoint, named by their paths in its folder, among those of a phase."""
        with self._mutex:
            self._need_open(phase)
            self._written.add_files(phase, folder, files)

    def add_metric(self, metric: Metric) -> None:
        """Write one number that an open phase measured."""
        with self._mutex:
            self._add_row(metric.phase, self.layout.metrics, encode_metric(metric))
            self._index.sync_soon()

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Write one result of an open phase."""
        with self._mutex:
            self._add_row(evaluation.phase, self.layout.evaluations, encode_evaluation(evaluation))

    def add_outcomes(self, outcomes: Outcomes) -> None:
        """Write what the problems behind a row of an open phase are worth."""
        with self._mutex:
            self._add_row(outcomes.phase, self.layout.outcomes, encode_outcomes(outcomes))

    def _add_row(self, phase: str, path: Path, data: bytes) -> None:
        self._need_open(phase)
        self._files.open(path).append(data)
        self._written.add_row(phase, path, data)
