"""A stored run as far as it can be read, for lineages: what is missing or damaged is said, and left out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson

from restmcts.errors import InputError
from restmcts.loops.stored.lineage import (
    BASE,
    Lineage,
    Made,
    Model,
    SampleSet,
    Searches,
    StoredFile,
    chain_and_others,
)
from store.encoding.rows import checkpoint_from, sample_from
from store.errors import StoreError
from store.files.fingerprints import Fingerprint, fingerprint_file
from store.files.folders import MARKER, marked_files
from store.files.inputs import WEIGHTS
from store.files.journal import Journal, Phase, take_in
from store.files.jsonl import parse_lines
from store.files.layout import RUNS, RunLayout
from store.files.plain import is_plain, leads_out, read_plain
from store.files.verification import checkpoint_folders, damaged_checkpoint, missing_checkpoint
from store.records import Checkpoint


def lineage(root: Path, run: str, model: str) -> Lineage:
    """The lineage of a checkpoint of a run.

    Args:
        model: its folder in the run, ``checkpoints/2/policy`` or ``2/policy``.

    Raises:
        InputError: the run has no such checkpoint.
    """
    records = StoredRun(RunLayout(root, run))
    if not records.layout.folder.is_dir():
        raise InputError(f"no run {run!r} in {root}")
    name = model if model.startswith("checkpoints/") else f"checkpoints/{model}"
    if records.made(name) is None and not (records.layout.folder / name).is_dir():
        known = ", ".join(records.checkpoints) or "none that can be read"
        raise InputError(f"run {run!r} has no checkpoint {name!r}; it has {known}")
    chain, models = chain_and_others(records, name)
    environment = records.environment()
    return Lineage(
        run, chain, models, records.recipe(), records.seed, environment, tuple(dict.fromkeys(records.notes))
    )


def lineage_of_folder(folder: Path) -> Lineage:
    """The lineage of a folder: that of its run where it lies in one, and else what its marker says.

    Raises:
        InputError: there is no such folder, or no marker in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    place = folder.absolute()
    if len(place.parents) > 4 and place.parents[1].name == "checkpoints" and place.parents[3].name == RUNS:
        run = place.parents[2]
        if (run / "phases.jsonl").is_file():
            return lineage(place.parents[4], run.name, "/".join(place.parts[-3:]))
    files = marked_files(folder)
    if files is None:
        raise InputError(f"{folder}: has no {MARKER} that can be read, so nothing is known about it")
    weights = tuple(_looked_at(folder, name, known) for name, known in files.items())
    note = "the folder lies in no run, so only what its marker says is known"
    model = Model(str(folder), Made("unknown"), weights)
    return Lineage("", (str(folder),), (model,), StoredFile("", None), None, {}, (note,))


class _Headers(NamedTuple):
    """The names of the searches of a phase, the models that they were made with, and what is wrong there."""

    stored: set[str]
    policies: tuple[str, ...]
    values: tuple[str, ...]
    notes: list[str]


class StoredRun:
    """The records of a run; ``notes`` collects what of the run as a whole cannot be read, in words."""

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.notes: list[str] = []
        self._sets: dict[str, tuple[SampleSet | None, list[str]]] = {}
        self._searched: dict[str, _Headers] = {}

    @cached_property
    def journal(self) -> Journal:
        """What has happened in the run, without the lines that cannot be read."""
        journal, path = Journal(), self.layout.phases
        for line, row in self._lines(path):
            try:
                take_in(journal, row, f"{path}:{line}")
            except StoreError as error:
                self.notes.append(str(error))
        if not journal.lines:
            self.notes.append(f"{path}: missing or empty, so phases are not known")
        return journal

    @cached_property
    def rows(self) -> dict[str, tuple[str, Checkpoint]]:
        """The rows of checkpoints that can be read, each with its phase, by their folders."""
        path = self.layout.checkpoints
        found = {}
        for line, row in self._lines(path):
            try:
                if isinstance(row, ValueError):
                    raise StoreError(f"{path}:{line}: {row}")
                phase, checkpoint = checkpoint_from(row, f"{path}:{line}", self.layout.run)
            except StoreError as error:
                self.notes.append(str(error))
                continue
            found[checkpoint.path] = phase, checkpoint
        return found

    @cached_property
    def checkpoints(self) -> dict[str, Phase | None]:
        """The checkpoints that rows or results name, with the phases that trained them."""
        trained = {
            str(phase.summary["checkpoint"]): phase
            for phase in self.journal.phases.values()
            if phase.kind == "train" and isinstance(phase.summary.get("checkpoint"), str)
        }
        return {**dict.fromkeys(self.rows), **trained}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The tables of ``run.toml``, as far as they can be read."""
        try:
            return tomllib.loads(read_plain(self.layout.plain(self.layout.config)).decode("utf-8"))
        except (OSError, ValueError, RecursionError, StoreError) as error:
            self.notes.append(f"{self.layout.config}: cannot be read ({error})")
            return {}

    @property
    def seed(self) -> int | None:
        seed = self.config.get("seed")
        return seed if type(seed) is int else None

    def recipe(self) -> StoredFile:
        """``run.toml`` with its fingerprint."""
        name = self.layout.config.name
        return _looked_at(self.layout.folder, name, self.journal.files.get(name))

    def environment(self) -> dict[str, Any]:
        """What the run was written with; empty where that cannot be read."""
        path = self.layout.environment
        try:
            found = orjson.loads(read_plain(self.layout.plain(path)))
        except (OSError, ValueError, StoreError) as error:
            self.notes.append(f"{path}: cannot be read ({error}), so versions are not known")
            return {}
        return found if isinstance(found, dict) else {}

    def made(self, model: str) -> Made | None:
        """See :class:`restmcts.loops.stored.lineage.Records`."""
        if model not in self.checkpoints:
            return Made(BASE) if model.startswith("/") or model in self._given() else None
        noted_by, row = self.rows.get(model, ("", None))
        phase = self.checkpoints[model] or self.journal.phases.get(noted_by)
        parts = PurePosixPath(model).parts
        made = Made(role=parts[2] if len(parts) > 2 else "unknown")
        if phase is not None:
            made = self._by_phase(made.role, phase)
        if row is None:
            return made
        made = replace(made, role=row.kind, iteration=row.iteration, parent=row.parent)
        return replace(made, carried=row.carried, metrics=row.metrics)

    def _by_phase(self, role: str, phase: Phase) -> Made:
        samples_from, trees_of, by_name = self._learned_from(phase)
        return Made(
            role=role,
            iteration=phase.iteration,
            phase=phase.name,
            parent=_text(phase.summary.get("parent")),
            updates=_whole(phase.summary.get("updates")),
            samples=_whole(phase.summary.get("samples")),
            samples_from=samples_from,
            trees_of=trees_of,
            by_name=by_name,
            source=phase.source,
            uses=phase.uses,
        )

    def weights(self, model: str) -> tuple[list[StoredFile], list[str]]:
        """See :class:`restmcts.loops.stored.lineage.Records`."""
        if model not in self.checkpoints:
            given = self.journal.inputs.get(model, {})
            known = {name: file.fingerprint for name, file in given.items() if name.endswith(WEIGHTS)}
            return [StoredFile(name, found.sha256) for name, found in known.items()], []
        files = checkpoint_folders(self.journal).get(model)
        if files is None:
            return [], [f"nobody has noted the files of {model}"]
        try:
            for file in files:
                self.layout.plain(self.layout.folder / file.path)
            gone = missing_checkpoint(self.layout, model, files)
            wrong = (
                list(damaged_checkpoint(self.layout, model, files, read=False)) if gone is None else [gone]
            )
        except StoreError as error:
            wrong = [str(error)]
        weights = [
            StoredFile(PurePosixPath(file.path).name, file.fingerprint.sha256)
            for file in files
            if file.path.endswith(WEIGHTS)
        ]
        return weights, wrong

    def sample_set(self, phase: str) -> tuple[SampleSet | None, list[str]]:
        """See :class:`restmcts.loops.stored.lineage.Records`."""
        if phase not in self._sets:
            self._sets[phase] = self._read_samples(phase)
        found, notes = self._sets[phase]
        return found, list(notes)

    def _read_samples(self, phase: str) -> tuple[SampleSet | None, list[str]]:
        try:
            path = self.layout.plain(self.layout.samples(phase))
        except (InputError, StoreError) as error:
            return None, [str(error)]
        relative = path.relative_to(self.layout.folder).as_posix()
        written = self.journal.phases[phase].files if phase in self.journal.phases else None
        file = _looked_at(self.layout.folder, relative, (written or {}).get(relative))
        notes = [] if file.wrong is None else [f"samples of {phase}: {file.wrong}"]
        count, trees = 0, dict[str, None]()
        for line, row in self._lines(path):
            try:
                if isinstance(row, ValueError):
                    raise StoreError(f"{path}:{line}: {row}")
                trees.update(dict.fromkeys(sample_from(row, f"{path}:{line}").trees))
                count += 1
            except StoreError as error:
                notes.append(str(error))
        return SampleSet(phase, file, count, tuple(trees)), notes

    def searches(self, phase: str, trees: Sequence[str] | None) -> tuple[Searches, list[str]]:
        """See :class:`restmcts.loops.stored.lineage.Records`."""
        if phase not in self._searched:
            self._searched[phase] = self._read_headers(phase)
        stored, policies, values, wrong = self._searched[phase]
        notes = list(wrong)
        if lost := set(trees or ()) - stored:
            notes.append(f"{len(lost)} trees of {phase} are gone, such as {min(lost)}")
        known = self.journal.phases.get(phase)
        number = known.iteration if known is not None else None
        used = None if trees is None else tuple(trees)
        return Searches(phase, number, used, len(stored), policies, values), notes

    def _read_headers(self, phase: str) -> _Headers:
        """What the headers of the searches of a phase say; each file is read once."""
        stored: set[str] = set()
        policies, values = dict[str, None](), dict[str, None]()
        try:
            path = self.layout.trees(phase)
        except InputError as error:
            return _Headers(stored, (), (), [str(error)])
        notes = []
        for line, row in self._lines(path):
            header = row.get("header") if isinstance(row, dict) else None
            if not isinstance(header, dict):
                notes.append(f"{path}:{line}: no search that can be read")
                continue
            stored.add(str(header.get("id")))
            policies[str(header.get("policy"))] = None
            if header.get("value") is not None:
                values[str(header["value"])] = None
        return _Headers(stored, tuple(policies), tuple(values), notes)

    def _given(self) -> set[str]:
        """The models that the recipe names."""
        models = self.config.get("models")
        if not isinstance(models, dict):
            return set()
        return {str(models[key]) for key in ("policy", "value") if key in models}

    def _learned_from(self, phase: Phase) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """The phases of the samples and of the trees of a training, and whether names alone say so."""
        said = phase.summary.get("samples_from")
        if isinstance(said, list) and said and all(isinstance(name, str) for name in said):
            written = tuple(name for name in said if self._wrote_samples(name))
            return written, tuple(name for name in said if name not in written), False
        number, _, what = phase.name.partition(".")
        phases = self.journal.phases
        if what == "start-value":
            return (), tuple(name for name in (f"{number}.search",) if name in phases), True
        if what == "train-value":
            labels = self.config.get("labels")
            latest = isinstance(labels, dict) and labels.get("memory") == "latest"
            numbers = [number] if latest or not number.isdecimal() else map(str, range(int(number) + 1))
            return tuple(name for each in numbers if (name := f"{each}.label") in phases), (), True
        named = [f"{number}.{kind}" for kind in ("select", "pair")] if what.startswith("train-p") else []
        return tuple(name for name in named if name in phases), (), True

    def _wrote_samples(self, phase: str) -> bool:
        known = self.journal.phases.get(phase)
        return known is None or known.kind != "search"

    def _lines(self, path: Path) -> Iterator[tuple[int, Any]]:
        """The lines of a file with their numbers; none of a file that cannot be read, which is noted."""
        try:
            for line, row in parse_lines(self.layout.plain(path), whole=True):
                yield line.number, row
        except StoreError as error:
            self.notes.append(str(error))


def _looked_at(folder: Path, name: str, known: Fingerprint | None) -> StoredFile:
    """A file below a folder, compared with what was written."""
    if leads_out(name):
        return StoredFile(name, None, "is a name that leads out of the folder")
    sha256 = None if known is None else known.sha256
    if not is_plain(folder / name):
        return StoredFile(name, sha256, "missing, or no plain file")
    if known is None:
        return StoredFile(name, None)
    try:
        return StoredFile(name, sha256, known.difference(fingerprint_file(folder / name)))
    except StoreError as error:
        return StoredFile(name, sha256, str(error))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
