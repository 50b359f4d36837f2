"""`restmcts label`: label the trees of a run by a rule."""

from __future__ import annotations

from typing import Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Plugins, Root


def label(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    rule: Annotated[str, typer.Option("--rule", help="Rule that infers step values.")] = "rest-mcts",
    phase: Annotated[
        str | None, typer.Option("--phase", help="Only the trees of this phase [default: all phases].")
    ] = None,
    plugin: Plugins = None,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Infer a quality value for every step of the stored trees; no model is needed.

    With --plugin also by a rule of a Python file, whose code is run.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import note
    from restmcts.labels import LABEL_RULES
    from restmcts.loops.stored.relabelling import relabel
    from restmcts.plugins import load_named
    from restmcts.stored_recipes import stored_bootstrap, stored_labels, stored_text
    from store.runs.writer import RunWriter

    files = load_named(plugin or [])
    LABEL_RULES.origin(rule, "--rule")
    text = stored_text(root, run)
    labels = stored_labels(root, run, rule)
    with RunWriter.create_or_open(root, run, config=text, environment={}, note=note) as writer:
        for file in files:
            writer.note_input(file)
        rows = relabel(writer, run, labels, phase, stored_bootstrap(root, run))
    if as_json:
        print_json([{"phase": name, "trees": trees, "labelled": steps} for name, trees, steps in rows])
        return
    print_table(f"labels of {run} by {rule}", ("phase", "trees", "labelled steps"), rows)
