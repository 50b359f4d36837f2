"""Phases that make the pairs that a policy learns preferences from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from restmcts.errors import PhaseError
from restmcts.loops.results import Paired
from restmcts.loops.run import Run
from restmcts.loops.work.self_judgement import RULE
from restmcts.samples.preference import Pairs, Scored, step_pairs, trace_pairs
from store.records import Metric
from store.runs.reading import read_labels


def judged_pairs(run: Run, phase: str, iteration: int, search: str, margin: float) -> Paired:
    """Pair the traces of the phase ``search`` by their judgements; write the samples.

    The oracle's verdicts take no part. How often the chosen and the rejected one are right is stored as
    figures: ``pairs.chosen_right`` and ``pairs.rejected_right``, shares of the pairs.

    Raises:
        PhaseError: there is no pair.
    """
    labels = dict(read_labels(run.writer.layout, search, RULE))

    def scored() -> Iterator[Scored]:
        for record, tree in run.trees(search):
            yield (record, tree), labels[record.header.id]

    pairs = trace_pairs(scored(), margin)
    for name, place in (("pairs.chosen_right", 0), ("pairs.rejected_right", 1)):
        known = [verdicts[place] for verdicts in pairs.verdicts if verdicts[place] is not None]
        if known:
            run.writer.add_metric(Metric("", phase, iteration, name, fmean(map(bool, known))))
    advice = "sample more traces, at a higher temperature, or lower loop_settings.margin"
    return _written(run, phase, [search], pairs, f"no problem has two traces of different scores: {advice}")


def tree_pairs(run: Run, phase: str, searches: Sequence[str], most: int) -> Paired:
    """Pair right with wrong next steps of the trees of ``searches``; write the samples.

    Raises:
        PhaseError: there is no pair.
    """
    pairs = step_pairs(run.trees(*searches), most)
    none = "no tree has both a right and a wrong step behind the same steps: sample more traces of a problem"
    return _written(run, phase, searches, pairs, none)


def _written(run: Run, phase: str, searches: Sequence[str], pairs: Pairs, none: str) -> Paired:
    if not pairs.samples:
        raise PhaseError(f"{phase}: {none}")
    run.writer.write_samples(phase, pairs.samples)
    return Paired(
        searches=list(searches),
        pairs=len(pairs.samples),
        problems=len({sample.problem for sample in pairs.samples}),
        removed={name: count for name, count in pairs.removed.items() if count},
    )
