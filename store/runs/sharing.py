"""Phases that runs have in common: one run does a phase, another takes over what it has left."""

from __future__ import annotations

import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from store.encoding.rows import checkpoint_from, evaluation_from, labels_from, metric_from, outcomes_from
from store.errors import StoreError
from store.files.atomic import replace_file, writing
from store.files.folders import MARKER, model_files, new_folder
from store.files.jsonl import read_rows
from store.files.plain import read_blocks
from store.files.verification import CHECKPOINTS
from store.runs.reading import read_overrides

if TYPE_CHECKING:
    from pathlib import Path

    from store.files.fingerprints import Fingerprint
    from store.files.journal import Journal, Phase
    from store.files.layout import RunLayout
    from store.runs.writer import RunWriter


def take_over_phase(writer: RunWriter, source: RunLayout, journal: Journal, name: str) -> None:
    """Do the phase ``name`` of a run by copying what another run has of it.

    Files of checkpoints are linked where the file system can do that: they are never written again. The phase
    keeps the seconds that it took in the other run, and names that run. The overrides of that run come along.

    Args:
        writer: writes the run that takes the phase over.
        source: the run that has done it.
        journal: the journal of that run.
        name: the phase.

    Raises:
        StoreError: the other run has not done the phase, or a file of it is not what was written; or this
            run cannot be written.
    """
    phase = journal.phases.get(name)
    if phase is None or phase.status != "done" or phase.files is None:
        raise StoreError(f"run {source.run!r} has not done phase {name!r}, or an older version did it")
    _copy_overrides(writer, source)
    writer.start_phase(name, phase.kind, phase.iteration)
    try:
        _copy_phase(writer, source, journal, phase)
    except Exception as error:
        writer.fail_phase(name, str(error))
        raise
    writer.finish_phase(name, phase.summary, seconds=phase.seconds, source=source.run)


def _copy_overrides(writer: RunWriter, source: RunLayout) -> None:
    """Take the verdicts that a person has changed along: labels of the phase may follow from them."""
    known = {(row.problem, row.question, row.answer): row.correct for row in writer.overrides.in_force()}
    for row in read_overrides(source).in_force():
        if known.get((row.problem, row.question, row.answer)) != row.correct:
            writer.override(row.problem, row.question, row.answer, row.correct, row.reason)


def _copy_phase(writer: RunWriter, source: RunLayout, journal: Journal, phase: Phase) -> None:
    for kind, origins in phase.uses.items():
        writer.note_uses(phase.name, kind, origins)
    for path, known in (phase.files or {}).items():
        if not path.startswith(CHECKPOINTS):
            _copy(source, writer.layout, path, known)
    for folder in _folders(phase):
        _link_checkpoint(writer, source, phase, folder)
    _copy_labels(writer, source, journal, phase.name)
    _copy_rows(writer, source, phase.name)
    writer.sync_index()


def _copy(source: RunLayout, target: RunLayout, path: str, known: Fingerprint) -> None:
    from_file = source.plain(source.folder / path)

    def check(found: Fingerprint) -> None:
        _check(from_file, known, found)

    replace_file(target.folder / path, read_blocks(from_file), ready=check)


def _check(path: Path, known: Fingerprint, found: Fingerprint) -> None:
    difference = known.difference(found)
    if difference is not None:
        raise StoreError(f"{path}: not as its run wrote it ({difference}); restore it from a copy")


def _folders(phase: Phase) -> list[str]:
    """The checkpoint folders of a phase, relative to the run."""
    paths = (PurePosixPath(path).parts for path in phase.files or {} if path.startswith(CHECKPOINTS))
    return sorted({"/".join(parts[:3]) for parts in paths})


def _link_checkpoint(writer: RunWriter, source: RunLayout, phase: Phase, name: str) -> None:
    begin = f"{name}/"
    known = {
        path.removeprefix(begin): found
        for path, found in (phase.files or {}).items()
        if path.startswith(begin)
    }
    target = writer.layout.folder / name
    with new_folder(target) as folder:
        for path in known:
            if path != MARKER:
                _link(source.plain(source.folder / name / path), folder / path)
    found = model_files(target)
    for path, fingerprint in known.items():
        _check(source.folder / name / path, fingerprint, found[path])
    writer.add_checkpoint_files(phase.name, target, found)


def _link(source: Path, target: Path) -> None:
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)


def _copy_labels(writer: RunWriter, source: RunLayout, journal: Journal, name: str) -> None:
    """The labels of the trees that the phase labelled: those of the phase that its summary names."""
    labelled = journal.phases[name].summary.get("search")
    for path in sorted(journal.labels):
        searched, _, rule = PurePosixPath(path).name.removesuffix(".jsonl").rpartition(".")
        if searched == labelled:
            place = source.plain(source.folder / path)
            rows = (labels_from(row, f"{place}:{line.number}") for line, row in read_rows(place, whole=True))
            writer.write_labels(searched, rule, ((row.tree, row.values) for row in rows))


def _copy_rows(writer: RunWriter, source: RunLayout, name: str) -> None:
    for path in source.shared:
        place = source.plain(path)
        for line, row in read_rows(place):
            if row.get("phase") != name:
                continue
            where = f"{place}:{line.number}"
            if path == source.metrics:
                writer.add_metric(metric_from(row, where, source.run))
            elif path == source.evaluations:
                writer.add_evaluation(evaluation_from(row, where, source.run))
            elif path == source.outcomes:
                writer.add_outcomes(outcomes_from(row, where, source.run))
            else:
                writer.add_checkpoint(checkpoint_from(row, where, source.run)[1])
