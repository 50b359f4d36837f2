"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Root = Annotated[
    Path,
    typer.Option("--root", envvar="RESTMCTS_ROOT", help="Folder of the experiment store.", show_default=True),
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
