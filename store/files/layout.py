"""Where the files of a run are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import InputError, StoreError
from store.files.plain import check_place, check_tree, is_plain, is_plain_folder

if TYPE_CHECKING:
    from pathlib import Path

RUNS = "runs"
INDEX = "index.db"
TRASH = ".trash"
MERGING = ".merging"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_PHASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}", re.ASCII)
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}", re.ASCII)


def check_name(name: str) -> str:
    """Return ``name`` if it can name a run: letters, digits, ``.``, ``_`` and ``-``.

    Raises:
        InputError: it cannot.
    """
    return _checked(_NAME, name, "run", "letters, digits, '.', '_' and '-'")


def check_phase(name: str) -> str:
    """Return ``name`` if it can name a phase, or raise :class:`InputError`."""
    return _checked(_PHASE, name, "phase", "letters, digits, '.' and '-'")


def check_rule(name: str) -> str:
    """Return ``name`` if it can name a labelling rule, or raise :class:`InputError`."""
    return _checked(_RULE, name, "rule", "letters, digits and '-'")


def _checked(pattern: re.Pattern[str], name: str, what: str, allowed: str) -> str:
    if not pattern.fullmatch(name):
        raise InputError(
            f"{what} name {name!r}: use {allowed}, at most 100 of them, starting with a letter or digit"
        )
    return name


def index_path(root: Path) -> Path:
    """The SQLite index of the store at ``root``."""
    return root / INDEX


def check_index(root: Path) -> Path:
    """The path of the index, if neither it nor a file beside it that SQLite would open is a link.

    Raises:
        StoreError: something that is no file stands there.
    """
    path = index_path(root)
    for ending in ("", "-wal", "-shm", "-journal"):
        place = path.with_name(path.name + ending)
        if place.is_symlink() or (place.exists() and not is_plain(place)):
            check_place(root, place)
            raise StoreError(f"{place}: a folder where the index belongs; move it away")
    return path


def index_lock(root: Path) -> Path:
    """The lock file that those hold who write the index, or replace it."""
    return root / f"{INDEX}.lock"


def merging_lock(root: Path) -> Path:
    """The lock file that those hold who merge runs into the store at ``root``."""
    return root / f"{MERGING}.lock"


def run_names(root: Path) -> list[str]:
    """The runs in the store at ``root``, sorted; folders that cannot be a run are left out."""
    folder = root / RUNS
    if not is_plain_folder(folder):
        return []
    return sorted(
        path.name for path in folder.iterdir() if is_plain_folder(path) and _NAME.fullmatch(path.name)
    )


@dataclass(frozen=True, slots=True)
class RunLayout:
    """The paths of one run."""

    root: Path
    run: str

    def __post_init__(self) -> None:
        check_name(self.run)

    @property
    def folder(self) -> Path:
        return self.root / RUNS / self.run

    def check_plain(self) -> None:
        """Refuse a run with anything in it that is neither a file nor a folder.

        Raises:
            StoreError: a link, a pipe or a device is there; or the way to the run leads through a link.
        """
        check_tree(self.root, self.folder)

    def plain(self, path: Path) -> Path:
        """Return ``path``, a place in this run, if no link lies on the way to it.

        Raises:
            StoreError: one does, or something that is neither a file nor a folder is there.
        """
        return check_place(self.root, path)

    @property
    def config(self) -> Path:
        return self.folder / "run.toml"

    @property
    def environment(self) -> Path:
        return self.folder / "env.json"

    @property
    def phases(self) -> Path:
        return self.folder / "phases.jsonl"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints.jsonl"

    @property
    def evaluations(self) -> Path:
        return self.folder / "evaluations.jsonl"

    @property
    def outcomes(self) -> Path:
        return self.folder / "outcomes.jsonl"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.jsonl"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    @property
    def overrides(self) -> Path:
        return self.folder / "overrides.jsonl"

    @property
    def written_once(self) -> tuple[Path, ...]:
        """The files that are written when the run is created."""
        return self.config, self.environment

    @property
    def shared(self) -> tuple[Path, ...]:
        """The files that all phases append their rows to."""
        return self.metrics, self.evaluations, self.outcomes, self.checkpoints

    def trees(self, phase: str) -> Path:
        return self.folder / "trees" / f"{check_phase(phase)}.jsonl"

    def labels(self, phase: str, rule: str) -> Path:
        return self.folder / "labels" / f"{check_phase(phase)}.{check_rule(rule)}.jsonl"

    def samples(self, phase: str) -> Path:
        return self.folder / "samples" / f"{check_phase(phase)}.jsonl"

    def judgements(self, phase: str) -> Path:
        return self.folder / "judgements" / f"{check_phase(phase)}.jsonl"

    def checkpoint(self, iteration: int, kind: str) -> Path:
        return self.folder / "checkpoints" / str(iteration) / kind
