"""`restmcts iterate`: the whole self-training loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Override, RetryFailed, Root, Yes

if TYPE_CHECKING:
    from restmcts.recipe import Recipe


def iterate(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped recipe.")],
    root: Root = ROOT,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run [default: the recipe's].")] = None,
    retry_failed: RetryFailed = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and what is missing; nothing is started.")
    ] = False,
    yes: Yes = False,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop: search, label, train and evaluate in every iteration.

    A run that was interrupted continues when the same command is started again. Another recipe for an
    existing run is refused, and the difference is shown. The exit code is 3 if searches failed.

    With --dry-run no model is loaded and nothing is written: the command looks at the recipe, problem files,
    model folders, engines, libraries and GPUs, and prints the phases with upper bounds of searches, tokens,
    updates, hours and disk. Its exit code is 2 if something is missing, which is then listed with what to do.
    """
    from restmcts.cli.endings import command, end
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.tables import print_evaluations
    from restmcts.cli.output.text import say
    from restmcts.cli.session import run_loop
    from restmcts.loops.results import to_summary
    from restmcts.recipe import load_recipe

    settings = load_recipe(recipe, override or [])
    name = run or settings.recipe
    if dry_run:
        _plan(root, name, settings, as_json)
        return
    outcome = run_loop(root, name, settings, retry_failed=retry_failed, yes=yes)
    if as_json:
        print_json({"run": name, **(to_summary(outcome.closing) if outcome.closing else {})})
    else:
        print_evaluations(f"run {name}: accuracy on held-out problems", outcome.evaluations)
        say(f"\nBrowse the run and replay its trees:  {command('tui', name, '--root', root)}")
    end(outcome.failed)


def _plan(root: Path, name: str, recipe: Recipe, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.plan import plan_as_dict, print_plan
    from restmcts.loops.planning.plan import totals
    from restmcts.loops.planning.planned_phases import planned
    from restmcts.loops.planning.readiness import readiness

    ready = readiness(recipe)
    done = _done(root, name)
    phases = [replace(phase, done=phase.name in done) for phase in planned(recipe, ready.counts, ready.sizes)]
    sums = totals(phases)
    if as_json:
        print_json({"run": name, **plan_as_dict(ready, phases, sums)})
    else:
        print_plan(name, ready, phases, sums)
    if ready.missing:
        raise typer.Exit(2)


def _done(root: Path, name: str) -> set[str]:
    """The phases that the run has done already, if it has been started."""
    from store.files.journal import read_journal
    from store.files.layout import RunLayout

    layout = RunLayout(root, name)
    if not layout.phases.exists():
        return set()
    return {phase.name for phase in read_journal(layout).phases.values() if phase.status == "done"}
