"""`restmcts study`: several self-training methods and seeds, as one resumable command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, RetryFailed, Root


def study(
    study: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped study.")],
    root: Root = ROOT,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Only this seed; repeat for more.")] = None,
    arm: Annotated[list[str] | None, typer.Option("--arm", help="Only this arm; repeat for more.")] = None,
    retry_failed: RetryFailed = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw accuracy by iteration and by tokens: .svg or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every arm of a study with every seed, and compare them as restmcts compare does.

    Each arm is a recipe with some changes. What arms have in common, such as the base policy and the first
    value model, is made once for each seed. A study that was interrupted continues when the same command is
    started again. Each run can be looked at like any other.
    """
    from restmcts.cli.commands.compare import Wanted, check_output, print_comparison
    from restmcts.cli.endings import end
    from restmcts.cli.session import run_loop
    from restmcts.cli.text import note
    from restmcts.loops.study import chosen, load_study, shared_phases

    comparison = Wanted(markdown, picture, as_json)
    check_output(comparison)
    _, runs = load_study(study)
    wanted = chosen(runs, seed or (), arm or ())
    failed = 0
    for number, run in enumerate(wanted, start=1):
        note(f"run {number} of {len(wanted)}: {run.arm}, seed {run.seed}")
        shared = shared_phases(root, runs, run)
        failed += run_loop(root, run.name, run.recipe, retry_failed=retry_failed, shared=shared).failed
    names = [run.name for run in wanted]
    print_comparison(root, names, comparison)
    end(failed)
