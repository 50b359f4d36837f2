"""Labels stored trees again, by any rule."""

from __future__ import annotations

from pathlib import Path

from restmcts.errors import InputError
from restmcts.labels import LABEL_RULES
from restmcts.loops.run import least_samples
from restmcts.recipe import BootstrapSettings, LabelSettings
from restmcts.samples.trees import verified_trees
from store.runs.writer import RunWriter


def relabel(
    writer: RunWriter,
    run: str,
    labels: LabelSettings,
    phase: str | None,
    bootstrap: BootstrapSettings,
) -> list[tuple[str, int, int]]:
    """Label the trees of one phase, or of all; returns (phase, trees, labelled steps) for each.

    The labels are those that the loop writes for the same trees and the same rule.

    Raises:
        InputError: there are no trees to label.
    """
    phases = [phase.name for phase in writer.phases() if _has_trees(writer.layout.trees(phase.name))]
    wanted = [name for name in phases if phase in (None, name)]
    if not wanted:
        known = ", ".join(phases) or "none"
        raise InputError(f"run {run!r} has no trees in phase {phase!r}; phases with trees: {known}")
    label = labels.build()
    counts = []
    for name in wanted:
        trees = verified_trees(writer.read_trees(name), least_samples(bootstrap, name))
        rows = [(record.header.id, label(tree)) for record, tree in trees]
        writer.note_uses(name, LABEL_RULES.plural, LABEL_RULES.origins([labels.rule]))
        writer.write_labels(name, labels.rule, rows)
        steps = sum(value is not None for _, values in rows for value in values)
        counts.append((name, len(rows), steps))
    writer.sync_index()
    return counts


def _has_trees(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
