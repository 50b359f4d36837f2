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
    from restmcts.cli.session import open_run
    from restmcts.cli.tables import print_evaluations
    from restmcts.cli.text import say
    from restmcts.loops.checks import check_methods, check_problems, check_trainable
    from restmcts.loops.registry import LOOPS, loop_settings
    from restmcts.loops.results import to_summary
    from restmcts.problems.registry import load_splits, problem_files
    from restmcts.recipe import load_recipe
    from store.run_files import read_evaluations

    settings = load_recipe(recipe, override or [])
    own = loop_settings(settings)
    loop = LOOPS[settings.loop]
    check_trainable(settings.models)
    if not loop.trains_value:
        check_methods(settings.evaluation)
    splits = load_splits(settings.problems, settings.seed)
    check_problems(splits)
    name = run or settings.recipe
    uses = {LOOPS.plural: LOOPS.origins([settings.loop])}
    files = problem_files(settings.problems)
    with open_run(root, name, settings, splits, uses=uses, files=files, retry_failed=retry_failed) as opened:
        evaluated = loop.run(opened, own)
        opened.writer.finish_run()
        phases, rows = opened.writer.phases(), read_evaluations(opened.writer.layout)
    if as_json:
        print_json({"run": name, **(to_summary(evaluated) if evaluated else {})})
    else:
        print_evaluations(f"run {name}: accuracy on held-out problems", rows)
        say(f"\nBrowse the run and replay its trees:  {command('tui', '--root', root, '--run', name)}")
    end(sum(phase.summary.get("failed") or 0 for phase in phases))
