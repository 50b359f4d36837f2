"""`restmcts iterate`: the whole self-training loop."""

from __future__ import annotations

from typing import Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Override, RetryFailed, Root


def iterate(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    root: Root = ROOT,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run [default: the recipe's].")] = None,
    retry_failed: RetryFailed = False,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop: search, label, train and evaluate in every iteration.

    A run that was interrupted continues when the same command is started again. Another recipe for an
    existing run is refused, and the difference is shown. The exit code is 3 if searches failed.
    """
    from restmcts.cli.console import print_json
    from restmcts.cli.endings import command, end
    from restmcts.cli.session import run_loop
    from restmcts.cli.tables import print_evaluations
    from restmcts.cli.text import say
    from restmcts.loops.results import to_summary
    from restmcts.recipe import load_recipe

    settings = load_recipe(recipe, override or [])
    name = run or settings.recipe
    outcome = run_loop(root, name, settings, retry_failed=retry_failed)
    if as_json:
        print_json({"run": name, **(to_summary(outcome.closing) if outcome.closing else {})})
    else:
        print_evaluations(f"run {name}: accuracy on held-out problems", outcome.evaluations)
        say(f"\nBrowse the run and replay its trees:  {command('tui', '--root', root, '--run', name)}")
    end(outcome.failed)
