"""`restmcts show`: a look at a run or a tree without the TUI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from restmcts.cli.shown import Named
    from store.events import SearchRecord
    from store.files.layout import RunLayout
    from store.index.reader import StoreReader
    from store.records import PhaseSummary
    from store.runs.overrides import Override


def solved(trees: int, graded: int, correct: int) -> object:
    """How many searches are solved, as a cell of a table."""
    if trees and not graded:
        return "not graded"
    return correct if graded == trees else f"{correct} of {graded}"


def show(
    what: Annotated[
        str,
        typer.Argument(
            help="A run; a tree, RUN/PHASE/NUMBER; a checkpoint, RUN/ITERATION/ROLE; or a checkpoint folder.",
            metavar="RUN|TREE|CHECKPOINT",
        ),
    ],
    trees: Annotated[bool, typer.Option("--trees", help="Of a checkpoint: name every tree.")] = False,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Show phases, checkpoints and accuracies of a run, one tree as text, or where a checkpoint comes from.

    A checkpoint is shown with its chain to the base model: for each model the phase that made it, the samples
    that it learned from, the trees behind them, and the models that these were searched with. --json gives
    all of it.
    """
    from restmcts.cli.shown import named
    from restmcts.cli.stores import open_store
    from restmcts.errors import InputError
    from store.files.layout import RunLayout
    from store.index.names import find

    found = named(root, what)
    if found.kind in ("folder", "checkpoint"):
        _show_lineage(root, found, trees, as_json)
        return
    if trees:
        raise InputError("--trees goes with a checkpoint: RUN/ITERATION/ROLE")
    with open_store(root) as reader:
        find(reader, what)
        if found.kind == "tree":
            _show_tree(reader, found.run, found.name, as_json)
        else:
            _show_run(reader, RunLayout(root, found.run), as_json)


def _show_lineage(root: Path, what: Named, trees: bool, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.lineage import lineage_lines
    from restmcts.cli.output.text import say, visible
    from restmcts.loops.stored.stored_run import lineage, lineage_of_folder

    folder = what.kind == "folder"
    found = lineage_of_folder(Path(what.name)) if folder else lineage(root, what.run, what.name)
    if as_json:
        print_json(asdict(found))
        return
    for line in lineage_lines(found, trees=trees):
        say(visible(line, 100_000))


def _show_run(reader: StoreReader, layout: RunLayout, as_json: bool) -> None:
    from restmcts.cli.commands.runs import run_row
    from restmcts.cli.output.console import print_json, print_table, summarized
    from restmcts.cli.output.tables import print_evaluations
    from restmcts.cli.output.value_figures import print_value_figures
    from restmcts.loops.stored.overridden import corrected
    from store.index.headline import headline

    run = layout.run
    summary = reader.run(run)
    phases = reader.phases(run)
    checkpoints = reader.checkpoints(run)
    evaluations = corrected(layout, reader.evaluations(run))
    figures = _figures(reader, run, phases)
    if as_json:
        print_json(
            {
                "run": run_row(summary, headline(evaluations)),
                "phases": [asdict(phase) for phase in phases],
                "checkpoints": [asdict(row) for row in checkpoints],
                "evaluations": [asdict(row) for row in evaluations],
                "figures": [
                    {"iteration": iteration, "name": name, "value": value}
                    for (iteration, name), value in figures.items()
                ],
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
    if figures:
        columns, rows = figure_rows(figures)
        print_table("figures of each iteration", columns, rows)
    print_value_figures(checkpoints)
    print_evaluations("accuracy on held-out problems", evaluations)


def figure_rows(figures: Mapping[tuple[int, str], float]) -> tuple[list[str], list[list[object]]]:
    """A table with a row for each iteration and a column for each figure; empty where there is none."""
    names = list(dict.fromkeys(name for _, name in figures))
    rows = [
        [
            iteration,
            *("" if (value := figures.get((iteration, name))) is None else f"{value:.3f}" for name in names),
        ]
        for iteration in sorted({iteration for iteration, _ in figures})
    ]
    return ["iteration", *names], rows


def _figures(reader: StoreReader, run: str, phases: Sequence[PhaseSummary]) -> dict[tuple[int, str], float]:
    """The figures of the trees of each iteration, and the AUC of its value model on held-out trees."""
    from restmcts.loops.stored.measured import DATA_FIGURES, VALUE_AUC, value_aucs

    iterations = {phase.name: phase.iteration for phase in phases}
    found: dict[tuple[int, str], float] = {}
    for metric in reader.metrics(run):
        number = iterations.get(metric.phase) if metric.iteration is None else metric.iteration
        if metric.name.startswith(DATA_FIGURES) and number is not None:
            found[number, metric.name] = metric.value
    aucs = value_aucs(reader.checkpoints(run))
    return found | {key: figure for key, figure in aucs.items() if key[1] == VALUE_AUC}


def _show_tree(reader: StoreReader, run: str, tree_id: str, as_json: bool) -> None:
    from restmcts.cli.output.console import print_encoded, terminal_width
    from restmcts.cli.output.text import say
    from restmcts.cli.output.tree import LEGEND, tree_lines
    from store.encoding.searches import encode_search
    from store.tree import fold

    record = reader.record(run, tree_id)
    if as_json:
        print_encoded(encode_search(record))
        return
    changed = reader.overrides(run).on(record.header.problem, record.header.question)
    for line in _search_lines(record, changed):
        say(line)
    tree = fold(record.events)
    say()
    for line in tree_lines(tree, reader.labels(run, tree_id), terminal_width()):
        say(line)
    if tree.finished():
        say(f"\n{LEGEND}")


def _search_lines(record: SearchRecord, changed: Mapping[str, Override]) -> Iterator[str]:
    """What the search was asked, what it answered, and why it ended."""
    from restmcts.cli.output.text import visible
    from restmcts.cli.output.tree import VERDICTS

    header, result = record.header, record.result
    facts = [
        ("problem", f"{header.problem}: {header.question}"),
        ("method", f"{header.method}, answer by {header.answer_by}, seed {header.seed}"),
        ("answer", f"{result.answer} (oracle {header.oracle}): {VERDICTS[result.correct]}"),
        ("ended", f"{result.reason} after {result.cost.policy} policy and {result.cost.value} value tokens"),
    ]
    if header.worker is not None:
        facts.append(("worker", header.worker))
    for answer, override in changed.items():
        facts.append(("override", f"{answer} is {VERDICTS[override.correct]}: {override.reason}"))
    return (f"{name:<8} {visible(text, 2000)}" for name, text in facts)
