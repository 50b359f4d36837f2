"""`restmcts tui`: browse and replay in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, Root


def tui(
    root: Root = ROOT,
    run: Annotated[str | None, typer.Option("--run", help="Open this run.")] = None,
    tree: Annotated[
        str | None, typer.Option("--tree", help="Replay this tree of the run: PHASE/NUMBER.")
    ] = None,
) -> None:
    """Browse and compare runs, and replay any search tree step by step."""
    import tui as screens
    from restmcts.cli.opened import make_ready
    from restmcts.errors import InputError

    # The screens are written to standard error, and the keys are read from standard input.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError("the screens need a terminal; `restmcts show` prints runs and trees without one")
    if tree is not None and run is None:
        raise InputError("--tree needs --run: which run is the tree in?")
    make_ready(root)
    screens.run(root, run, tree)
