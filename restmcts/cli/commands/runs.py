"""`restmcts runs`: list the runs of a store, and delete one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from restmcts.cli.commands import show
from restmcts.cli.options import ROOT, AsJson, Root

app = typer.Typer(invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, root: Root = ROOT, as_json: AsJson = False) -> None:
    """List the runs of the store, each with its accuracy on held-out problems, first and last.

    That is the accuracy of greedy answers after the first and after the last iteration, with the 95 %
    interval of the last; of another method where no greedy answers were measured.
    """
    if context.invoked_subcommand is None:
        show.runs(root, as_json)


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
    from restmcts.cli.text import say
    from restmcts.errors import InputError
    from store.files.layout import RunLayout
    from store.files.plain import is_plain_folder
    from store.trash import delete_run

    folder = RunLayout(root, run).folder
    if not is_plain_folder(folder):
        raise InputError(f"no run {run!r} in {root}: `restmcts runs --root {root}` lists them")
    if not yes and not _agreed(f"move run {run} of {root} to the trash?"):
        say("nothing is deleted")
        return
    target = delete_run(root, run)
    say(f"{run} is in {target}")
    say(f"to get it back: mv {target} {folder}, then restmcts store rebuild --root {root}")


def _agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes. Raises :class:`InputError` without a terminal."""
    from restmcts.errors import InputError

    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask on: --yes deletes without a question")
    return typer.confirm(question, default=False, err=True)
