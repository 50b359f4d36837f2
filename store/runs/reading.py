"""What a run has kept, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.encoding.rows import (
    checkpoint_from,
    evaluation_from,
    labels_from,
    metric_from,
    outcomes_from,
    override_from,
    sample_from,
)
from store.encoding.searches import header_from, search_from
from store.errors import StoreError
from store.files.jsonl import read_rows
from store.runs.overrides import Overrides, overlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.events import Header, SearchRecord
    from store.files.layout import RunLayout
    from store.records import Checkpoint, Evaluation, Metric, Outcomes, Sample


def read_trees(
    layout: RunLayout, phase: str, overrides: Overrides | None = None, *, whole: bool = True
) -> Iterator[SearchRecord]:
    """The searches of a phase in the order of the file, with the verdicts that a person has changed.

    Args:
        layout: the run.
        phase: the name of the phase.
        overrides: the changed verdicts; None: all of the run.
        whole: the phase is done, so that a last line that is torn was damaged.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.plain(layout.trees(phase))
    changed = read_overrides(layout) if overrides is None else overrides
    for line, row in read_rows(path, whole=whole):
        where = f"{path}:{line.number}"
        record = search_from(row, where)
        try:
            yield overlay(record, changed)
        except ValueError as error:
            raise StoreError(f"{where}: the events do not make a tree: {error}") from error


def read_headers(layout: RunLayout, phase: str) -> Iterator[Header]:
    """The headers of the searches of a phase that is done, in the order of the file.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.plain(layout.trees(phase))
    for line, row in read_rows(path, whole=True):
        yield header_from(row, f"{path}:{line.number}")


def read_outcomes(layout: RunLayout, phase: str) -> list[Outcomes]:
    """What the problems behind the rows of an evaluation were worth; none in a run of an older version.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.outcomes
    found = [outcomes_from(row, f"{path}:{line.number}", layout.run) for line, row in read_rows(path)]
    return [row for row in found if row.phase == phase]


def read_overrides(layout: RunLayout) -> Overrides:
    """The verdicts of a run that a person has changed; none where nobody has.

    Raises:
        StoreError: a line cannot be read, or is gone; the message names it.
    """
    path = layout.plain(layout.overrides)
    rows = enumerate(read_rows(path), 1)
    return Overrides(override_from(row, f"{path}:{line.number}", number) for number, (line, row) in rows)


def read_samples(layout: RunLayout, phase: str) -> Iterator[Sample]:
    """The training samples that a phase has made.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.samples(phase)
    for line, row in read_rows(path, whole=True):
        yield sample_from(row, f"{path}:{line.number}")


def read_checkpoints(layout: RunLayout) -> list[Checkpoint]:
    """The checkpoints of a run, in the order in which they were made.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.checkpoints
    return [checkpoint_from(row, f"{path}:{line.number}", layout.run)[1] for line, row in read_rows(path)]


def read_evaluations(layout: RunLayout) -> list[Evaluation]:
    """The evaluations of a run, in the order in which they were made.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.evaluations
    return [evaluation_from(row, f"{path}:{line.number}", layout.run) for line, row in read_rows(path)]


def read_labels(layout: RunLayout, phase: str, rule: str) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    """The labels of the trees of a phase by one rule: the name of each tree, and a label of each node.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.labels(phase, rule)
    for line, row in read_rows(path, whole=True):
        labels = labels_from(row, f"{path}:{line.number}")
        yield labels.tree, labels.values


def read_metrics(layout: RunLayout) -> list[Metric]:
    """Everything that the phases of a run measured, in order.

    Raises:
        StoreError: a line cannot be read; the message names it.
    """
    path = layout.metrics
    return [metric_from(row, f"{path}:{line.number}", layout.run) for line, row in read_rows(path)]
