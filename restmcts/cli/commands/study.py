"""`restmcts study`: several self-training methods and seeds, as one resumable command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, Against, AsJson, RetryFailed, Root

if TYPE_CHECKING:
    from restmcts.loops.study import StudyRun


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
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Write a report of the runs too, as restmcts report does: an .html file."
        ),
    ] = None,
    against: Against = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=64, help="Seeds at a time, each in a process of its own.")
    ] = 1,
    only_run: Annotated[bool, typer.Option("--only-run", help="Run, and compare nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run every arm of a study with every seed, and compare them as restmcts compare does.

    Each arm is a recipe with some changes. What arms have in common, such as the base policy and the first
    value model, is made once for each seed. A study that was interrupted continues when the same command is
    started again. Each run can be looked at like any other.

    With --jobs several seeds run at the same time; set models.threads so that all of them have room.
    """
    from restmcts.cli.commands.compare import Wanted, check_output, print_comparison
    from restmcts.cli.commands.report import page_file, write_report
    from restmcts.cli.endings import end
    from restmcts.loops.stored.compared import read_figures, stored_names
    from restmcts.loops.study import chosen, load_study

    comparison = Wanted(markdown, picture, as_json, against=against if report is None else None)
    check_output(comparison)
    page = None if report is None else page_file(report)
    _, runs = load_study(study)
    wanted = chosen(runs, seed or (), arm or ())
    seeds = list(dict.fromkeys(run.seed for run in wanted))
    if jobs > 1 and len(seeds) > 1:
        more = [word for name in arm or () for word in ("--arm", name)]
        more += ["--retry-failed"] if retry_failed else []
        commands = {
            f"seed {one}": ["study", study, "--root", root, "--seed", one, *more, "--only-run"]
            for one in seeds
        }
        failed = _side_by_side(commands, jobs)
    else:
        failed = _one_by_one(root, runs, wanted, retry_failed)
    names = [run.name for run in wanted]
    figures = None if only_run and page is None else read_figures(stored_names(root, names))
    if page is not None:
        write_report(root, names, page, against=against, figures=figures)
    if not only_run:
        print_comparison(root, names, comparison, figures)
    end(failed)


def _one_by_one(root: Path, runs: list[StudyRun], wanted: list[StudyRun], retry_failed: bool) -> int:
    """Run one after the other; returns the number of searches that failed."""
    from restmcts.cli.output.text import note
    from restmcts.cli.session import run_loop
    from restmcts.loops.study import shared_phases

    failed = 0
    for number, run in enumerate(wanted, start=1):
        note(f"run {number} of {len(wanted)}: {run.arm}, seed {run.seed}")
        shared = shared_phases(root, runs, run)
        failed += run_loop(root, run.name, run.recipe, retry_failed=retry_failed, shared=shared).failed
    return failed


def _side_by_side(commands: dict[str, list[object]], jobs: int) -> int:
    """Run several at a time; returns how many of the commands had searches that failed.

    Raises:
        RestmctsError: one of them did not come to its end.
    """
    from restmcts.cli.endings import FAILED_SEARCHES
    from restmcts.cli.side_by_side import run_side_by_side
    from restmcts.errors import RestmctsError

    codes = run_side_by_side(commands, jobs)
    for name, code in codes.items():
        if code not in (0, FAILED_SEARCHES):
            raise RestmctsError(f"{name} ended with exit code {code}; its last line above says why")
    return sum(code == FAILED_SEARCHES for code in codes.values())
