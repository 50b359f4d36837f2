"""`restmcts tui`: browse and replay in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, Root


def tui(
    what: Annotated[
        str | None,
        typer.Argument(
            help="Where to begin: a run, the trees of a phase, or the replay of a tree [default: all runs].",
            metavar="RUN|RUN/PHASE|RUN/PHASE/NUMBER",
            show_default=False,
        ),
    ] = None,
    root: Root = ROOT,
) -> None:
    """Browse and compare runs, and replay any search tree step by step."""
    import tui as screens
    from restmcts.cli.stores import make_ready
    from restmcts.errors import InputError

    # The screens are written to standard error, and the keys are read from standard input.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError("the screens need a terminal; `restmcts show` prints runs and trees without one")
    make_ready(root)
    code = screens.run(root, what)
    if code:
        raise typer.Exit(code)
