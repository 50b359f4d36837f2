"""`restmcts runs` and `restmcts show`: a look at the store without the TUI."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from rich.tree import Tree as Branch

    from store.events import SearchRecord
    from store.index.reader import StoreReader
    from store.tree import Tree

DEEPEST = 200
MOST_NODES = 20_000
"""Of a tree on the terminal: a line has a mark for each level above it."""


def runs(root: Root = ROOT, as_json: AsJson = False) -> None:
    """List the runs of the store."""
    from restmcts.cli.console import print_json, print_table
    from store.index.reader import StoreReader

    with StoreReader(root) as reader:
        rows = reader.runs()
    if as_json:
        print_json([asdict(row) for row in rows])
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
                row.solved,
                row.policy_tokens,
                row.created,
            )
            for row in rows
        ],
    )


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
                "run": asdict(summary),
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
                phase.correct,
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
        ("answer", f"{result.answer} (oracle {header.oracle}): {_verdict(result.correct)}"),
        ("ended", f"{result.reason} after {result.cost.policy} policy and {result.cost.value} value tokens"),
    ):
        console.print(f"{name:<8} {visible(text, 2000)}", markup=False, soft_wrap=True)
    console.print(_branches(record, fold(record.events), labels), soft_wrap=True)


def _branches(record: SearchRecord, tree: Tree, labels: dict[str, tuple[float | None, ...]]) -> Branch:
    from rich.text import Text
    from rich.tree import Tree as Branch

    from restmcts.cli.text import visible

    top = Branch(Text(f"root  N {tree.root.visits}  V {tree.root.value:.3f}"))
    made = {0: top}
    hidden = 0
    for node in tree.nodes[1:]:
        assert node.parent is not None and node.step is not None
        if node.depth > DEEPEST or len(made) > MOST_NODES:
            hidden += 1
            continue
        figures = f"N {node.visits}  V {node.value:.3f}"
        if node.score is not None:
            figures += f"  score {node.score:.3f}"
        for rule, values in labels.items():
            if node.id < len(values) and values[node.id] is not None:
                figures += f"  {rule} {values[node.id]:.3f}"
        mark = ""
        if node.finished:
            mark = "  finished" if node.correct is None else f"  {_verdict(node.correct)}"
        line = Text(f"{visible(node.step.text.strip(), 120)}  ")
        line.append(f"[{figures}]{mark}", style="dim")
        made[node.id] = made[node.parent].add(line)
    if hidden:
        top.add(Text(f"… and {hidden} more nodes; `restmcts tui` and `restmcts export tree` have them all"))
    return top


def _verdict(correct: bool | None) -> str:
    return {True: "correct", False: "wrong", None: "not graded"}[correct]
