"""Labels stored trees again, by any rule."""

from __future__ import annotations

from pathlib import Path

from restmcts.errors import InputError
from restmcts.labels import LABEL_RULES, label_rule
from store.index.reader import StoreReader
from store.tree import fold
from store.writer import RunWriter


def relabel(
    writer: RunWriter, root: Path, run: str, rule: str, phase: str | None
) -> list[tuple[str, int, int]]:
    """Label the trees of one phase, or of all; returns (phase, trees, labelled steps) for each.

    Raises:
        InputError: there are no trees to label.
    """
    with StoreReader(root) as reader:
        phases = [row.name for row in reader.phases(run) if row.trees > 0]
    wanted = [name for name in phases if phase in (None, name)]
    if not wanted:
        known = ", ".join(phases) or "none"
        raise InputError(f"run {run!r} has no trees in phase {phase!r}; phases with trees: {known}")
    label = label_rule(rule)
    counts = []
    for name in wanted:
        rows = [(record.header.id, label(fold(record.events))) for record in writer.read_trees(name)]
        writer.note_uses(name, LABEL_RULES.plural, LABEL_RULES.origins([rule]))
        writer.write_labels(name, rule, rows)
        steps = sum(label is not None for _, labels in rows for label in labels)
        counts.append((name, len(rows), steps))
    writer.sync_index()
    return counts
