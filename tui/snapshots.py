"""What worker threads read from the store for the screens: frozen, complete, ready to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.index.headline import headline
from store.nearby import stores_near
from tui.replay.player import Player
from tui.replay.truth import Truth, truth_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.index.headline import Headline
    from store.index.reader import StoreReader
    from store.records import Evaluation, Metric, PhaseSummary, RunSummary

_SPARKS = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 16


@dataclass(frozen=True, slots=True)
class MetricDigest:
    """All values of one metric in one phase: how many, the last and the extremes, and their course."""

    phase: str
    name: str
    count: int
    last: float
    low: float
    high: float
    course: str


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs of the store, and the version of the store that they were read from.

    ``headlines`` are their accuracies by name, where there is one. ``near`` are other stores, looked for
    where there is no run.
    """

    version: int
    runs: tuple[RunSummary, ...]
    headlines: dict[str, Headline]
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunDetail:
    """What one run has done."""

    run: str
    phases: tuple[PhaseSummary, ...]
    evaluations: tuple[Evaluation, ...]
    metrics: tuple[MetricDigest, ...]


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
    near = () if runs else tuple(map(str, stores_near(reader.root)))
    return RunList(version, runs, {name: each for name, each in found.items() if each is not None}, near)


def read_run(reader: StoreReader, run: str) -> RunDetail:
    """The phases, evaluations and metrics of ``run``."""
    evaluations = sorted(reader.evaluations(run), key=_place)
    return RunDetail(run, tuple(reader.phases(run)), tuple(evaluations), digest(reader.metrics(run)))


def _place(evaluation: Evaluation) -> tuple[int, str, int]:
    iteration = -1 if evaluation.iteration is None else evaluation.iteration
    return iteration, evaluation.method, 0 if evaluation.budget is None else evaluation.budget


def read_tree(reader: StoreReader, run: str, tree: str) -> OpenedTree:
    """The search ``tree`` of ``run``, at its start, with its quality values."""
    record = reader.record(run, tree)
    changed = reader.overrides(run).on(record.header.problem, record.header.question)
    player = Player(record, changed)
    return OpenedTree(run, player, reader.labels(run, tree), truth_of(player.survey.final))


def digest(metrics: Sequence[Metric]) -> tuple[MetricDigest, ...]:
    """The metrics in the order in which their first value came."""
    series: dict[tuple[str, str], list[float]] = {}
    for metric in metrics:
        series.setdefault((metric.phase, metric.name), []).append(metric.value)
    return tuple(
        MetricDigest(phase, name, len(values), values[-1], min(values), max(values), _course(values))
        for (phase, name), values in series.items()
    )


def _course(values: Sequence[float]) -> str:
    """The values as a row of bars, thinned to :data:`_SPARK_WIDTH`."""
    low, high = min(values), max(values)
    span = high - low
    if len(values) < 2 or not 0 < span < float("inf"):
        return ""
    step = max(len(values) / _SPARK_WIDTH, 1)
    picked = [values[int(number * step)] for number in range(min(len(values), _SPARK_WIDTH))]
    return "".join(_SPARKS[round((value - low) / span * (len(_SPARKS) - 1))] for value in picked)
