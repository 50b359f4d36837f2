"""Turning verified trees into training samples: labels, and the selection of traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from restmcts.errors import PhaseError
from restmcts.labels import LABEL_RULES, Labels, rest_mcts
from restmcts.loops.results import Labelled, Selected
from restmcts.loops.run import Run
from restmcts.recipe import RuleChoice
from restmcts.samples.policy import Traces, demonstrations, find
from restmcts.samples.selection import SelectionSettings, choose, filters
from restmcts.samples.value import labelled_chains
from store.records import PolicySample, ValueSample

PAPER_RULE = "rest-mcts"
"""The paper's quality values are always inferred and stored beside the rule that is trained on."""


def label_trees(
    run: Run, phase: str, search: str, labels: RuleChoice | None = None, name: str | None = None
) -> Labelled:
    """Label the trees of the phase ``search`` in one pass; write the labels and the value samples.

    Args:
        labels: the rule; None: that of the recipe.
        name: what the labels are stored as; None: as the rule is called.

    Raises:
        PhaseError: no tree has a label.
    """
    chosen = labels or run.recipe.labels
    rule, label = chosen.rule, chosen.build()
    run.note_uses(phase, LABEL_RULES, [rule])
    labelled: list[tuple[str, Labels]] = []
    paper: list[tuple[str, Labels]] = []
    samples: list[ValueSample] = []
    for record, tree in run.trees(search):
        values = label(tree)
        labelled.append((record.header.id, values))
        paper.append((record.header.id, rest_mcts(tree)))
        samples.extend(labelled_chains(record, tree, values))
    if not samples:
        raise PhaseError(
            f"{phase}: the rule {rule!r} labels no step of the {len(labelled)} trees of {search}:"
            f" {LABEL_RULES[rule].needs}"
        )
    run.writer.write_labels(search, name or rule, labelled)
    if (name or rule) != PAPER_RULE:
        run.writer.write_labels(search, PAPER_RULE, paper)
    run.writer.write_samples(phase, samples)
    return Labelled(
        rule=rule,
        trees=sum(any(value is not None for value in values) for _, values in labelled),
        labelled_steps=sum(value is not None for _, values in labelled for value in values),
        chains=len(samples),
        search=search,
    )


def select_traces(run: Run, phase: str, searches: Sequence[str]) -> Selected:
    """Choose the traces that the policy learns from, out of ``searches``; write the policy samples.

    Raises:
        PhaseError: no trace is kept.
    """
    selection = run.recipe.selection
    found = find(run.trees(*searches))
    chosen = choose(found.traces, filters(selection, found))
    kept, removed = chosen.traces, {name: count for name, count in chosen.removed.items() if count}
    if not kept:
        raise PhaseError(f"{phase}: no trace is kept: {_why_none(found.traces, selection, removed)}")
    mixed = demonstration_samples(run, phase, round(len(kept) * selection.demonstrations))
    run.writer.write_samples(phase, [*kept, *mixed])
    correct = sum(map(len, found.traces.values()))
    if removed:
        listed = ", ".join(f"{count} by {name}" for name, count in removed.items())
        run.progress.note(f"{phase}: of {correct} correct traces, {listed} are removed")
    return Selected(
        correct_traces=correct,
        kept=len(kept),
        problems=len(found.traces),
        demonstrations=len(mixed),
        searches=list(searches),
        removed=removed,
    )


def _why_none(found: Traces, selection: SelectionSettings, removed: Mapping[str, int]) -> str:
    values = [sample.value or 0.0 for traces in found.values() for sample in traces]
    if not values:
        return "no tree has a correct answer: search longer, or start from a better policy"
    if max(values) < selection.threshold and "threshold" in removed:
        return (
            f"the largest value of {len(values)} correct traces is {max(values):.3f}, below"
            f" selection.threshold = {selection.threshold}: lower it or set selection.by to rank"
        )
    listed = ", ".join(f"{count} by selection.{name}" for name, count in removed.items())
    return f"{listed} removed: leave one of these keys out"


def demonstration_samples(run: Run, phase: str, count: int) -> list[PolicySample]:
    """``count`` worked solutions of the training data, with replacement once all of them are used.

    Raises:
        PhaseError: demonstrations are wanted, but no training problem has a solution.
    """
    pool = run.problems.demonstrations
    if count and not pool:
        raise PhaseError(
            f"{phase}: selection.demonstrations mixes in worked solutions, but no training problem has a"
            " 'solution'"
        )
    return demonstrations(pool, count, Random(run.seed(phase, "demonstrations")))
