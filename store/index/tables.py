"""From the lines of the files to the rows of the index: one function a kind of file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from store.asked import Asked
from store.encoding.fields import dump
from store.encoding.rows import (
    TreeLabels,
    checkpoint_from,
    evaluation_from,
    labels_from,
    metric_from,
    outcomes_from,
    override_from,
    sample_from,
)
from store.encoding.searches import decode_search, search_from
from store.errors import StoreError
from store.figures import TreeFigures, folded
from store.files.plain import is_plain, is_plain_folder, plain_files
from store.records import PolicySample, PreferenceSample, Sample
from store.runs.overrides import Override, Overrides, overlay

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from store.events import Header, Result, SearchRecord, Step
    from store.files.jsonl import Line
    from store.files.layout import RunLayout
    from store.tree import Tree

Row = tuple[Any, ...]

_ADD_DOCUMENT = "INSERT INTO documents (run, phase, number) VALUES (?, ?, ?)"
_INDEX_DOCUMENT = (
    "INSERT INTO steps (rowid, text) SELECT document, text FROM documents_text WHERE document = ?"
)
_FORGET_DOCUMENTS = """
DELETE FROM steps WHERE rowid IN (SELECT document FROM documents WHERE run = :run AND phase = :phase)
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A JSON Lines file of a run: its kind, and the phase and rule that its name holds."""

    run: str
    kind: str
    path: Path
    relative: str
    phase: str = ""
    rule: str = ""


@dataclass(slots=True)
class Batch:
    """Rows that wait for their table."""

    connection: sqlite3.Connection
    iterations: dict[str, int | None] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    size: int = 0
    trees: set[str] = field(default_factory=set)
    documents: list[Row] = field(default_factory=list)
    asked: Asked = field(default_factory=Asked)

    def add(self, table: str, *rows: Row) -> None:
        if rows:
            self.rows[table] += rows
        self.size += len(rows)

    def is_new(self, run: str, phase: str, number: int) -> bool:
        """Is this the first line about a tree?"""
        sql = "SELECT 1 FROM trees WHERE run = ? AND phase = ? AND number = ?"
        known = f"{phase}/{number}" in self.trees
        known = known or self.connection.execute(sql, (run, phase, number)).fetchone() is not None
        self.trees.add(f"{phase}/{number}")
        return not known

    def flush(self) -> None:
        """Insert everything; a row takes the place of one with the same key."""
        for table, rows in self.rows.items():
            marks = ", ".join("?" * len(rows[0]))
            self.connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        for key in self.documents:
            added = self.connection.execute(_ADD_DOCUMENT, key).lastrowid
            # From the rows themselves: when they go, their text is taken out of the full-text index again.
            self.connection.execute(_INDEX_DOCUMENT, (added,))
        self.rows.clear()
        self.documents.clear()
        self.size = 0


def sources(layout: RunLayout) -> Iterator[Source]:
    """The files of a run that exist, in the order in which they are to be read; no link is followed."""
    run, folder = layout.run, layout.folder
    if not is_plain_folder(folder):
        return
    if is_plain(layout.phases):
        yield Source(run, "phases", layout.phases, "phases.jsonl")
    if is_plain(layout.overrides):
        yield Source(run, "overrides", layout.overrides, layout.overrides.name)
    for path in plain_files(folder / "trees", "*.jsonl"):
        yield Source(run, "trees", path, f"trees/{path.name}", path.stem)
    for path in plain_files(folder / "labels", "*.jsonl"):
        phase, _, rule = path.stem.rpartition(".")
        yield Source(run, "labels", path, f"labels/{path.name}", phase, rule)
    for path in plain_files(folder / "samples", "*.jsonl"):
        yield Source(run, "samples", path, f"samples/{path.name}", path.stem)
    for path in layout.shared:
        if is_plain(path):
            yield Source(run, path.stem, path, path.name)


def source(layout: RunLayout, relative: str) -> Source:
    """A file of a run that may be gone, from its path relative to the run folder."""
    path = Path(relative)
    kind = path.parts[0].removesuffix(".jsonl")
    phase, rule = (path.stem, "") if len(path.parts) > 1 else ("", "")
    if kind == "labels":
        phase, _, rule = phase.rpartition(".")
    return Source(layout.run, kind, layout.folder / path, relative, phase, rule)


def take_line(batch: Batch, source: Source, line: Line, row: Any) -> None:
    """Add the rows for one line of a file to ``batch``.

    Raises:
        StoreError: the line makes no sense.
    """
    if isinstance(row, ValueError):
        raise StoreError(f"{source.path}:{line.number}: {row}")
    _TAKE[source.kind](batch, source, line, row)


def take_again(batch: Batch, source: Source, data: bytes, number: int, place: tuple[int, int]) -> bool:
    """Add the rows of a search once more, if ``data`` is its line.

    Args:
        number: that of the tree.
        place: where the line begins, and its length.
    """
    try:
        record = decode_search(data)
        if record.header.id == f"{source.phase}/{number}":
            add_tree(batch, source, record, number, place, str(source.path))
            return True
    except StoreError:
        return False  # in the middle of another line
    return False


def read_override(source: Source, line: Line, row: Any, number: int) -> Override:
    """The override in a line that was parsed, or :class:`StoreError`."""
    where = f"{source.path}:{line.number}"
    if isinstance(row, ValueError):
        raise StoreError(f"{where}: {row}")
    return override_from(row, where, number)


def purge(connection: sqlite3.Connection, source: Source) -> None:
    """Delete every row that came from a file."""
    values = {
        "run": source.run,
        "phase": source.phase,
        "rule": source.rule,
        # "0" is the character after "/": the trees of the phase lie between the two.
        "first": f"{source.phase}/",
        "last": f"{source.phase}0",
    }
    if source.kind == "trees":
        connection.execute(_FORGET_DOCUMENTS, values)  # while the nodes are there that it was made from
    for table, condition in _PURGE[source.kind]:
        connection.execute(f"DELETE FROM {table} WHERE run = :run AND {condition}", values)


def _take_tree(batch: Batch, source: Source, line: Line, row: Any) -> None:
    where = f"{source.path}:{line.number}"
    record = search_from(row, where)
    header = record.header
    number = tree_number(header, source.phase, where)
    if not batch.is_new(source.run, header.phase, number):
        raise StoreError(f"{where}: tree {header.id!r} is there twice; the first counts, delete this line")
    add_tree(batch, source, record, number, (line.offset, len(line.data)), where)
    batch.documents.append((source.run, header.phase, number))


def add_tree(
    batch: Batch, source: Source, record: SearchRecord, number: int, place: tuple[int, int], where: str
) -> None:
    """Add the rows of a search to ``batch``, with the verdicts that a person has changed.

    Args:
        place: where the line of the search begins, and its length.
        where: how an error names the line.

    Raises:
        StoreError: its events do not make a tree.
    """
    header = record.header
    try:
        record = overlay(record, batch.overrides)
        tree, figures = folded(record)
    except ValueError as error:
        raise StoreError(f"{where}: the events do not make a tree: {error}") from error
    problem = (source.run, header.phase, header.problem, header.question, header.oracle)
    batch.add("problems", problem)
    iteration = batch.iterations.get(header.phase)
    row = _tree_row(source, place, header, record.result, number, iteration)
    batch.add("trees", (*row, batch.asked.of(header), *_figure_columns(figures)))
    batch.add("nodes", *_node_rows(source.run, header.id, tree))


def tree_number(header: Header, phase: str, where: str) -> int:
    """The number of a tree in the file of ``phase``, or :class:`StoreError` where it does not belong."""
    if header.phase != phase:
        raise StoreError(f"{where}: tree {header.id!r} of phase {header.phase!r} is in the file of {phase!r}")
    return number_of(header.id, phase, where)


def number_of(tree: str, phase: str, where: str) -> int:
    """The number in a tree id of ``phase``, ``<phase>/<number>``, or :class:`StoreError`."""
    number = tree.removeprefix(f"{phase}/")
    plain = number.isascii() and number.isdecimal() and len(number) < 19
    if not plain or f"{phase}/{int(number)}" != tree:
        raise StoreError(f"{where}: tree {tree!r} must be named {phase}/<number>")
    return int(number)


def _tree_row(
    source: Source, place: tuple[int, int], header: Header, result: Result, number: int, iteration: int | None
) -> Row:
    cost = result.cost
    asked = (header.method, header.answer_by, header.budget, header.policy, header.value, header.seed)
    ended = (result.answer, result.correct, result.reason, result.nodes, result.finished)
    spent = (cost.policy, cost.critic, cost.prompt, cost.value, cost.calls, result.seconds)
    named = (source.run, header.phase, number, header.id, iteration, header.problem)
    return (*named, *asked, *ended, *spent, *place)


def _figure_columns(figures: TreeFigures) -> Row:
    counts = (figures.depth, figures.leaves, figures.right, figures.distinct_answers)
    first = (figures.best_right, figures.best_wrong, figures.first_right_event, figures.first_right_tokens)
    course = (figures.answer_changes, figures.ever_right, figures.rounds, figures.idle_rounds)
    return (*counts, *first, *course, figures.message, _json(figures.answer_path))


def _node_rows(run: str, tree_id: str, tree: Tree) -> list[Row]:
    return [
        (
            run,
            tree_id,
            node.id,
            node.parent,
            node.depth,
            None if node.step is None else node.step.text,
            node.score,
            node.value,
            node.visits,
            node.samples,
            node.finished,
            node.answer,
            node.correct,
        )
        for node in tree.nodes
    ]


def _take_labels(batch: Batch, source: Source, line: Line, row: Any) -> None:
    labels = labels_from(row, f"{source.path}:{line.number}")
    key = (source.run, labels.tree, source.rule, source.phase)
    batch.add("labels", (*key, _json(labels.values), _lowest(batch, source.run, labels)))


def _lowest(batch: Batch, run: str, labels: TreeLabels) -> float | None:
    """The lowest label on the way to the answer of a tree, None where there is none."""
    phase, _, number = labels.tree.rpartition("/")
    sql = "SELECT answer_path FROM trees WHERE run = ? AND phase = ? AND number = ?"
    rows = batch.connection.execute(sql, (run, phase, number)).fetchall()
    path = orjson.loads(rows[0][0]) if rows and rows[0][0] is not None else []
    known = [labels.values[node] for node in path if node < len(labels.values)]
    return min((value for value in known if value is not None), default=None)


def _take_sample(batch: Batch, source: Source, line: Line, row: Any) -> None:
    sample = sample_from(row, f"{source.path}:{line.number}")
    kind, steps, value, labels = _columns(sample)
    text = "".join(step.text for step in steps)
    key = (source.run, source.phase, line.number, kind, sample.problem)
    batch.add("samples", (*key, len(steps), text, value, labels, _json(sample.trees)))


def _columns(sample: Sample) -> tuple[str, tuple[Step, ...], float | None, str | None]:
    """Kind, steps, value and labels of a sample; those of a preference are of what is preferred."""
    if isinstance(sample, PolicySample):
        return sample.kind, sample.steps, sample.value, None
    if isinstance(sample, PreferenceSample):
        return "preference", (*sample.prefix, *sample.chosen), sample.margin, None
    return "value", sample.steps, None, _json(sample.labels)


def _take_checkpoint(batch: Batch, source: Source, line: Line, row: Any) -> None:
    phase, made = checkpoint_from(row, f"{source.path}:{line.number}", source.run)
    key = (made.run, line.number, phase, made.iteration, made.kind)
    batch.add("checkpoints", (*key, made.path, made.parent, made.carried, _json(made.metrics)))


def _take_metric(batch: Batch, source: Source, line: Line, row: Any) -> None:
    metric = metric_from(row, f"{source.path}:{line.number}", source.run)
    key = (metric.run, line.number, metric.phase, metric.iteration)
    batch.add("metrics", (*key, metric.name, metric.value, metric.step, _json(metric.fields)))


def _take_evaluation(batch: Batch, source: Source, line: Line, row: Any) -> None:
    found = evaluation_from(row, f"{source.path}:{line.number}", source.run)
    key = (found.run, line.number, found.phase, found.iteration, found.method)
    counts = (found.budget, found.traces, found.problems, found.correct)
    means = (found.accuracy, found.low, found.high, found.policy_tokens, found.value_tokens)
    taken = (found.critic_tokens, found.prompt_tokens, found.calls, found.flops)
    batch.add("evaluations", (*key, *counts, *means, *taken, found.searches, found.rule))


def _take_outcomes(batch: Batch, source: Source, line: Line, row: Any) -> None:
    found = outcomes_from(row, f"{source.path}:{line.number}", source.run)
    asked_for = (found.phase, found.method, found.rule, found.budget)
    columns = zip(found.problems, found.numbers, found.shares, found.tokens, strict=True)
    rows = (
        (found.run, line.number, place, *asked_for, *each, found.trees_phase)
        for place, each in enumerate(columns)
    )
    batch.add("outcomes", *rows)


def _json(value: Any) -> str:
    return dump(value).decode()


_TAKE: dict[str, Callable[[Batch, Source, Line, Any], None]] = {
    "trees": _take_tree,
    "labels": _take_labels,
    "samples": _take_sample,
    "checkpoints": _take_checkpoint,
    "metrics": _take_metric,
    "evaluations": _take_evaluation,
    "outcomes": _take_outcomes,
}

_PURGE: dict[str, tuple[tuple[str, str], ...]] = {
    "phases": (("runs", "TRUE"), ("phases", "TRUE"), ("settings", "TRUE")),
    "overrides": (),
    "trees": (
        ("documents", "phase = :phase"),
        ("trees", "phase = :phase"),
        ("problems", "phase = :phase"),
        ("nodes", "tree >= :first AND tree < :last"),
    ),
    "labels": (("labels", "phase = :phase AND rule = :rule"),),
    "samples": (("samples", "phase = :phase"),),
    "checkpoints": (("checkpoints", "TRUE"),),
    "metrics": (("metrics", "TRUE"),),
    "evaluations": (("evaluations", "TRUE"),),
    "outcomes": (("outcomes", "TRUE"),),
}
