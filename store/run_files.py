"""What a run has kept besides its searches, read from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.encoding.rows import checkpoint_from, evaluation_from, labels_from, metric_from
from store.files.jsonl import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.files.layout import RunLayout
    from store.records import Checkpoint, Evaluation, Metric


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
