"""`restmcts runs` and `restmcts show`: a look at the store without the TUI."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from store.index.reader import StoreReader
    from store.records import RunSummary


def runs(root: Root = ROOT, as_json: AsJson = False) -> None:
    """List the runs of the store."""
    from restmcts.cli.console import print_json, print_table
    from restmcts.cli.text import note
    from store.index.reader import StoreReader

    with StoreReader(root) as reader:
        rows, missing = reader.runs(), reader.unindexed()
    if missing:
        names = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        note(f"{len(missing)} runs are not in the index ({names}): `restmcts store rebuild` takes them in")
    if as_json:
        print_json([_run_row(row) for row in rows])
        return
    columns = ("run", "recipe", "status", "phase", "iteration", "trees", "solved", "policy tokens", "created")
    print_table(
        f"runs in {root}",
        columns,
        [
            (
                row.name,
                row.recipe,
                row.status,
                row.phase or "",
                "" if row.iteration is None else row.iteration,
                row.trees,
                solved(row.trees, row.graded, row.solved),
                row.policy_tokens,
                row.created,
            )
            for row in rows
        ],
    )


def _run_row(row: RunSummary) -> dict[str, Any]:
    """A run as JSON; where nothing is graded, nothing is known about what is solved."""
    return {**asdict(row), "solved": None if row.trees and not row.graded else row.solved}


def solved(trees: int, graded: int, correct: int) -> object:
    """How many searches are solved, as a cell of a table."""
    if trees and not graded:
        return "not graded"
    return correct if graded == trees else f"{correct} of {graded}"


def show(
    what: Annotated[str, typer.Argument(help="A run, or a tree: RUN/PHASE/NUMBER.", metavar="RUN|TREE")],
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Show phases, checkpoints and accuracies of a run, or one tree as text."""
    from store.index.reader import StoreReader

    run, _, tree = what.partition("/")
    with StoreReader(root) as reader:
        if tree:
            _show_tree(reader, run, tree, as_json)
        else:
            _show_run(reader, run, as_json)


def _show_run(reader: StoreReader, run: str, as_json: bool) -> None:
    from restmcts.cli.console import print_json, print_table, summarized
    from restmcts.cli.tables import print_evaluations

    summary = reader.run(run)
    phases = reader.phases(run)
    checkpoints = reader.checkpoints(run)
    evaluations = reader.evaluations(run)
    if as_json:
        print_json(
            {
                "run": _run_row(summary),
                "phases": [asdict(phase) for phase in phases],
                "checkpoints": [asdict(row) for row in checkpoints],
                "evaluations": [asdict(row) for row in evaluations],
            }
        )
        return
    print_table(
        f"run {run}: {summary.status}",
        ("phase", "status", "seconds", "trees", "correct", "summary"),
        [
            (
                phase.name,
                phase.status,
                "" if phase.seconds is None else f"{phase.seconds:.0f}",
                phase.trees,
                solved(phase.trees, phase.graded, phase.correct),
                summarized(phase.summary),
            )
            for phase in phases
        ],
    )
    print_table(
        "checkpoints",
        ("iteration", "model", "folder", "carried on"),
        [(c.iteration, c.kind, c.path, "yes" if c.carried else "no") for c in checkpoints],
    )
    print_evaluations("accuracy on held-out problems", evaluations)


def _show_tree(reader: StoreReader, run: str, tree_id: str, as_json: bool) -> None:
    from rich.console import Console

    from restmcts.cli.console import print_encoded
    from restmcts.cli.text import visible
    from restmcts.cli.tree_text import VERDICTS, tree_lines
    from store.encoding.searches import encode_search
    from store.tree import fold

    record = reader.record(run, tree_id)
    if as_json:
        print_encoded(encode_search(record))
        return
    labels = reader.labels(run, tree_id)
    console = Console(highlight=False)
    header, result = record.header, record.result
    for name, text in (
        ("problem", f"{header.problem}: {header.question}"),
        ("method", f"{header.method}, answer by {header.answer_by}, seed {header.seed}"),
        ("answer", f"{result.answer} (oracle {header.oracle}): {VERDICTS[result.correct]}"),
        ("ended", f"{result.reason} after {result.cost.policy} policy and {result.cost.value} value tokens"),
    ):
        console.print(f"{name:<8} {visible(text, 2000)}", markup=False, soft_wrap=True)
    for line in tree_lines(fold(record.events), labels):
        console.print(line, soft_wrap=True)
