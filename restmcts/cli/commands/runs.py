"""`restmcts runs`: list the runs of a store, and delete one."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from store.index.headline import Headline
    from store.records import RunSummary

app = typer.Typer(invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, root: Root = ROOT, as_json: AsJson = False) -> None:
    """List the runs of the store, each with its accuracy on held-out problems, first and last.

    That is the accuracy of greedy answers after the first and after the last iteration, with the 95 %
    interval of the last; of another method where no greedy answers were measured.
    """
    if context.invoked_subcommand is None:
        _list(root, as_json)


def _list(root: Path, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import note
    from restmcts.cli.stores import open_store
    from restmcts.loops.stored.overridden import corrected
    from store.files.layout import RunLayout
    from store.index.headline import headline

    with open_store(root) as reader:
        rows, missing = reader.runs(), reader.unindexed()
        headlines = {
            row.name: headline(corrected(RunLayout(root, row.name), reader.evaluations(row.name)))
            for row in rows
        }
    if missing:
        names = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        note(f"{len(missing)} runs are not in the index ({names}): `restmcts store rebuild` takes them in")
    if as_json:
        print_json([run_row(row, headlines[row.name]) for row in rows])
        return
    columns = ("run", "recipe", "status", "phase", "held-out accuracy", "trees", "policy tokens")
    print_table(
        f"runs in {root}",
        (*columns, "created (UTC)"),
        [
            (
                row.name,
                row.recipe,
                row.status,
                row.phase or "",
                "" if (found := headlines[row.name]) is None else f"{found.method} {found.text}",
                row.trees,
                row.policy_tokens,
                row.created[:16].replace("T", " "),
            )
            for row in rows
        ],
    )


def run_row(row: RunSummary, found: Headline | None) -> dict[str, Any]:
    """A run as JSON; where nothing is graded, nothing is known about what is solved."""
    figures = None if found is None else {"method": found.method, **asdict(found)}
    return {
        **asdict(row),
        "solved": None if row.trees and not row.graded else row.solved,
        "headline": figures,
    }


@app.command("delete")
def delete(
    run: Annotated[str, typer.Argument(help="The run.", metavar="RUN")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    root: Root = ROOT,
) -> None:
    """Move a run into the folder .trash of the store.

    A run that a process is writing is refused. Nothing is removed from the disk: the folder can be moved
    back.
    """
    from restmcts.cli.output.text import say
    from restmcts.errors import InputError
    from store.files.layout import RunLayout
    from store.files.plain import is_plain_folder
    from store.runs.trash import delete_run

    folder = RunLayout(root, run).folder
    if not is_plain_folder(folder):
        raise InputError(f"no run {run!r} in {root}: `restmcts runs --root {root}` lists them")
    if not yes and not _agreed(f"move run {run} of {root} to the trash?"):
        say("nothing is deleted")
        return
    target = delete_run(root, run)
    say(f"{run} is in {target}")
    back, again = shlex.join(["mv", str(target), str(folder)]), shlex.join(["--root", str(root)])
    say(f"to get it back: {back}, then restmcts store rebuild {again}")


def _agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes. Raises :class:`InputError` without a terminal."""
    from restmcts.errors import InputError

    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask on: --yes deletes without a question")
    return typer.confirm(question, default=False, err=True)
