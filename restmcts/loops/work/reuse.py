"""Searches that a run has stored already: an evaluation takes them over instead of searching again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from restmcts.loops.run import Run
from restmcts.search.registry import needs_value
from restmcts.search.running.task import SearchTask
from restmcts.workers.base import Workers
from store.events import Header, SearchRecord


def take_over_searches(run: Run, phase: str, tasks: Sequence[SearchTask], workers: Workers) -> None:
    """Copy what other evaluations of the run have searched just as the tasks of a phase would.

    A search is found by what was searched: problem, method, settings, sampling, budget and models. Its seed
    may be another one. A failed search is not taken over.

    Args:
        phase: the phase of the tasks; what it holds already stays.
    """
    finished = run.writer.finished_trees(phase)
    wanted = {_searched(workers.header(task)): task for task in tasks if task.id not in finished}
    others = [other.name for other in run.writer.phases() if other.kind == "evaluate" and other.name != phase]
    for other in others:
        taken = 0
        for record in run.writer.read_trees(other) if wanted else ():
            key = _searched(record.header)
            if key not in wanted or not _as_good(record, wanted[key], workers):
                continue
            header = replace(record.header, id=wanted.pop(key).id, phase=phase)
            run.writer.add_tree(replace(record, header=header))
            taken += 1
        if taken:
            run.progress.note(f"{phase}: {taken} searches are taken over from {other}")


def _searched(header: Header) -> str:
    """What was searched, as text, apart from the value model."""
    problem = header.problem, header.question, header.oracle
    settings = sorted((key, value) for key, value in header.settings.items() if value is not None)
    return repr((problem, header.method, settings, header.budget, header.policy))


def _as_good(record: SearchRecord, task: SearchTask, workers: Workers) -> bool:
    """Whether a search has not failed, and had the same value model if it asks for values."""
    same = record.header.value == workers.models.value or not needs_value(task.method, task.settings)
    return same and record.result.reason != "failed"
