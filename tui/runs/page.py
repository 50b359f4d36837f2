"""What worker threads read from the store for the page of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.queries import SettingDifference
from tui import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.index.reader import StoreReader
    from store.records import (
        Checkpoint,
        Evaluation,
        Metric,
        PhaseSummary,
        Progress,
        RunSummary,
        SampleSummary,
    )

SAMPLES = 200
"""Samples on a page."""


@dataclass(frozen=True, slots=True)
class Series:
    """All values of one metric in one phase, by training step, or by their order where they have none."""

    phase: str
    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def key(self) -> str:
        return f"{self.phase}\n{self.name}"


@dataclass(frozen=True, slots=True)
class RunPage:
    """What one run has done, the version of the store that it was read from, and the other runs."""

    version: int
    run: RunSummary
    phases: tuple[PhaseSummary, ...]
    evaluations: tuple[Evaluation, ...]
    series: tuple[Series, ...]
    checkpoints: tuple[Checkpoint, ...]
    settings: dict[str, Any]
    others: tuple[str, ...]
    progress: Progress | None

    @property
    def seconds(self) -> float:
        """How long all finished phases took."""
        return sum(phase.seconds or 0.0 for phase in self.phases)

    @property
    def under_way(self) -> PhaseSummary | None:
        """The phase that is running."""
        return next((phase for phase in reversed(self.phases) if phase.status == "running"), None)

    def metric(self, phase: str, name: str) -> float | None:
        """The last value of a metric of a phase; None where it was not measured."""
        found = [each.values[-1] for each in self.series if (each.phase, each.name) == (phase, name)]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class SamplePage:
    """One page of samples, counted from 0, and the number of all."""

    samples: tuple[SampleSummary, ...]
    page: int
    total: int

    @property
    def last(self) -> int:
        """The last page."""
        return max(-(-self.total // SAMPLES) - 1, 0)


@dataclass(frozen=True, slots=True)
class Differences:
    """How the settings of a run differ from those of another one."""

    other: str
    settings: tuple[SettingDifference, ...]


def read_run_page(reader: StoreReader, run: str) -> RunPage:
    """The page of ``run``. The version is read first, so that a change while reading shows afterwards."""
    version = reader.version()
    charts.load()
    return RunPage(
        version,
        reader.run(run),
        tuple(reader.phases(run)),
        tuple(reader.evaluations(run)),
        series_of(reader.metrics(run)),
        tuple(reader.checkpoints(run)),
        reader.settings(run),
        tuple(other.name for other in reader.runs() if other.name != run),
        reader.progress(run),
    )


def read_samples(reader: StoreReader, run: str, page: int) -> SamplePage:
    """One page of samples, or the last one when there are fewer."""
    total = reader.count_samples(run)
    page = min(page, max(-(-total // SAMPLES) - 1, 0))
    return SamplePage(tuple(reader.samples(run, limit=SAMPLES, offset=page * SAMPLES)), page, total)


def read_differences(reader: StoreReader, run: str, other: str) -> Differences:
    """How the settings of ``run`` (a) differ from those of ``other`` (b)."""
    return Differences(other, tuple(reader.settings_diff(run, other)))


def series_of(metrics: Sequence[Metric]) -> tuple[Series, ...]:
    """The metrics by phase and name, in the order in which their first value came."""
    found: dict[tuple[str, str], list[Metric]] = {}
    for metric in metrics:
        found.setdefault((metric.phase, metric.name), []).append(metric)
    return tuple(
        Series(
            phase,
            name,
            tuple(float(place if each.step is None else each.step) for place, each in enumerate(values)),
            tuple(each.value for each in values),
        )
        for (phase, name), values in found.items()
    )
