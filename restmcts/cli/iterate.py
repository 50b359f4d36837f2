"""`restmcts iterate`: the whole self-training loop."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Override, Root


def iterate(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    root: Root = ROOT,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run [default: the recipe's].")] = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Search, label, train and evaluate, again and again; started again, a run goes on."""
    from restmcts.cli.console import print_json
    from restmcts.cli.session import open_run
    from restmcts.cli.tables import print_evaluations
    from restmcts.iterate.loop import check_problems, check_trainable, run_loop
    from restmcts.problems.registry import load_splits
    from restmcts.recipe import load_recipe
    from store.index.reader import StoreReader

    settings = load_recipe(recipe, override or [])
    check_trainable(settings.models)
    splits = load_splits(settings.problems, settings.seed)
    check_problems(splits)
    name = run or settings.recipe
    with open_run(root, name, settings, splits) as context:
        summary: dict[str, Any] = run_loop(context)
        context.writer.finish_run()
    if as_json:
        print_json({"run": name, **summary})
        return
    with StoreReader(root) as reader:
        print_evaluations(f"run {name}: accuracy on held-out problems", reader.evaluations(name))
    typer.echo(f"\nBrowse the run and replay its trees:  restmcts tui --root {root} --run {name}")
