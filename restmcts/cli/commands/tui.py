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
    from restmcts.cli.stores import make_ready
    from restmcts.cli.web.serving import in_browser
    from restmcts.cli.web.serving import serve as serve_screens
    from restmcts.errors import InputError

    # The screens are written to standard error, and the keys are read from standard input.
    if not (serve or in_browser() or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise InputError("the screens need a terminal; `restmcts show` prints runs and trees without one")
    make_ready(root)
    if serve:
        screens.check(root, what)
        serve_screens(["tui", "--root", str(root), *([] if what is None else [what])], port)
        return
    code = screens.run(root, what)
    if code:
        raise typer.Exit(code)
