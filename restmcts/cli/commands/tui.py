"""`restmcts tui`: browse and replay in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, Root


def tui(
    root: Root = ROOT,
    run: Annotated[str | None, typer.Option("--run", help="Open this run.")] = None,
    tree: Annotated[
        str | None, typer.Option("--tree", help="Replay this tree of the run: PHASE/NUMBER.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the screens in a browser on this machine instead.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1024, max=65535, help="With --serve: its port.")] = 8000,
) -> None:
    """Browse and compare runs, and replay any search tree step by step.

    --serve prints an address with a key, on this machine only: whoever has the key comes in. It needs the
    extra `web`: pip install "restmcts[web]".
    """
    import tui as screens
    from restmcts.cli.serving import in_browser
    from restmcts.cli.serving import serve as serve_screens
    from restmcts.errors import InputError

    if tree is not None and run is None:
        raise InputError("--tree needs --run: which run is the tree in?")
    if serve:
        screens.check(root, run, tree)
        serve_screens(_arguments(root, run, tree), port)
        return
    # The screens are written to standard error, and the keys are read from standard input.
    if not (in_browser() or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise InputError("the screens need a terminal; `restmcts show` prints runs and trees without one")
    screens.run(root, run, tree)


def _arguments(root: Path, run: str | None, tree: str | None) -> list[str]:
    """The command line that shows the same in a terminal."""
    named = [("--run", run), ("--tree", tree)]
    given = [word for option, value in named if value is not None for word in (option, value)]
    return ["tui", "--root", str(root), *given]
