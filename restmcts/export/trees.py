"""Trees as nested plain data, and the traces in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restmcts.errors import InputError
from store.events import SearchRecord
from store.files.journal import read_journal
from store.files.layout import RunLayout
from store.runs import reading
from store.tree import fold


@dataclass(frozen=True, slots=True)
class Trace:
    """A finished solution of a tree with its verdict.

    ``value`` is what the tree gives it, None where no value model took part.
    """

    problem: str
    prompt: str
    text: str
    correct: bool
    tree: str
    value: float | None


def tree_as_dict(record: SearchRecord, labels: dict[str, tuple[float | None, ...]]) -> dict[str, Any]:
    """One tree as nested plain data: header, result, and every node with what is known about it."""
    tree = fold(record.events)
    nodes = [
        {
            "id": node.id,
            "parent": node.parent,
            "depth": node.depth,
            "step": None if node.step is None else node.step.text,
            "score": node.score,
            "value": node.value,
            "visits": node.visits,
            "samples": node.samples,
            "finished": node.finished,
            "answer": node.answer,
            "correct": node.correct,
            "labels": {rule: values[node.id] for rule, values in labels.items() if node.id < len(values)},
        }
        for node in tree.nodes
    ]
    return {"header": asdict(record.header), "result": asdict(record.result), "nodes": nodes}


def traces(record: SearchRecord) -> Iterator[Trace]:
    """Every finished solution of a tree that has a verdict."""
    tree, header = fold(record.events), record.header
    for node in tree.finished():
        if node.correct is not None:
            value = None if node.score is None else node.value
            text = tree.text(node.id)
            yield Trace(header.problem, header.question, text, node.correct, header.id, value)


def training_searches(root: Path, run: str, iteration: int | None) -> list[tuple[str, int]]:
    """The phases of a run whose trees were searched for training data, with their iterations.

    The trees of evaluations and of validations are of held-out problems, and are left out.

    Raises:
        InputError: there are none.
        StoreError: the journal of the run cannot be read.
    """
    phases = read_journal(RunLayout(root, run)).phases.values()
    found = [
        (phase.name, phase.iteration or 0)
        for phase in phases
        if phase.kind == "search"
        and phase.status == "done"
        and not phase.name.endswith(".validate")
        and iteration in (None, phase.iteration)
    ]
    if not found:
        raise InputError(
            f"run {run!r} in {root} has no trees of training problems"
            + ("" if iteration is None else f" of iteration {iteration}")
        )
    return found


def read_trees(root: Path, run: str, phase: str, *, whole: bool = True) -> Iterator[SearchRecord]:
    """The searches of a phase; see :func:`store.runs.reading.read_trees`."""
    return reading.read_trees(RunLayout(root, run), phase, whole=whole)
