"""`restmcts grade`: files of problems, audits of stored verdicts, and overrides of them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from restmcts.cli.commands.grade import audit, file, override


class _FileFirst(TyperGroup):
    """`restmcts grade FILE` is `restmcts grade file FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["file", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileFirst,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at how answers are graded: `restmcts grade FILE`, or the verdicts of a run.",
)
app.command("file")(file.grade)
app.command("audit")(audit.audit)
app.command("override")(override.override)
