"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from restmcts.paths import expanded

Root = Annotated[
    Path,
    typer.Option(
        "--root",
        envvar="RESTMCTS_ROOT",
        callback=expanded,
        help="Folder of the experiment store.",
        show_default=True,
    ),
]
ROOT = Path("restmcts-store")

Override = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a setting; repeat for more."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        help="Number of problems to take, from the first [default: all].",
        show_default=False,
    ),
]

Data = Annotated[
    str | None,
    typer.Option(
        "--data", help="Name of a data set, instead of a file: its test problems (restmcts data list)."
    ),
]

RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Run failed searches of phases that are done again, if nothing was learned from these phases.",
    ),
]

Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file with entries of its own; repeat for more."),
]

Against = Annotated[
    str | None, typer.Option("--against", help="Compare only with this arm, or with this method.")
]

Margin = Annotated[
    float | None,
    typer.Option("--margin", min=0.1, max=50, help="Points that do not matter: is it equal within them?"),
]

Yes = Annotated[
    bool, typer.Option("--yes", help="Do not ask before work that is expected to take more than ten minutes.")
]

MOST_SEED = 2**63 - 1
"""The largest seed: recipes and the index hold 64 bits with a sign."""
