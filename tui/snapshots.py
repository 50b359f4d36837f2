"""What worker threads read from the store for the screens: frozen, complete, ready to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.index.headline import headline
from store.nearby import stores_near
from tui.gc_pauses import loading
from tui.replay.player import Player
from tui.replay.truth import Truth, truth_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.index.headline import Headline
    from store.index.reader import StoreReader
    from store.queries import SettingDifference
    from store.records import Checkpoint, Evaluation, PhaseSummary, Progress, RunSummary


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs of the store, and the version of the store that they were read from.

    ``headlines`` are their accuracies by name, where there is one, ``progress`` how far those are that are
    written now. ``near`` are other stores, looked for where there is no run.
    """

    version: int
    runs: tuple[RunSummary, ...]
    headlines: dict[str, Headline]
    progress: dict[str, Progress]
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunDetail:
    """What one run has done, and how its settings differ from those of ``other``, if there is another."""

    run: str
    phases: tuple[PhaseSummary, ...]
    evaluations: tuple[Evaluation, ...]
    checkpoints: tuple[Checkpoint, ...]
    other: str | None
    differences: tuple[SettingDifference, ...]


@dataclass(frozen=True, slots=True)
class OpenedTree:
    """A search made ready to replay. The reading thread hands the player over and keeps nothing of it."""

    run: str
    player: Player
    labels: dict[str, tuple[float | None, ...]]
    truth: Truth


def read_runs(reader: StoreReader) -> RunList:
    """All runs. The version is read first, so that a change while reading shows as one afterwards."""
    version = reader.version()
    runs = tuple(reader.runs())
    found = {run.name: headline(reader.evaluations(run.name)) for run in runs}
    headlines = {name: each for name, each in found.items() if each is not None}
    near = () if runs else tuple(map(str, stores_near(reader.root)))
    return RunList(version, runs, headlines, read_progress(reader, runs), near)


def read_progress(reader: StoreReader, runs: Sequence[RunSummary]) -> dict[str, Progress]:
    """How far those of ``runs`` are that are written now."""
    read = {run.name: reader.progress(run.name) for run in runs if run.status == "running"}
    return {name: progress for name, progress in read.items() if progress is not None}


def read_run(reader: StoreReader, run: str, other: str | None) -> RunDetail:
    """What ``run`` has done, beside the settings of ``other``."""
    differences = () if other is None else tuple(reader.settings_diff(run, other))
    rows, made = tuple(reader.evaluations(run)), tuple(reader.checkpoints(run))
    return RunDetail(run, tuple(reader.phases(run)), rows, made, other, differences)


def read_tree(reader: StoreReader, run: str, tree: str) -> OpenedTree:
    """The search ``tree`` of ``run``, at its start, with its quality values."""
    with loading():
        record = reader.record(run, tree)
        changed = reader.overrides(run).on(record.header.problem, record.header.question)
        player = Player(record, changed)
    return OpenedTree(run, player, reader.labels(run, tree), truth_of(player.survey.final))
