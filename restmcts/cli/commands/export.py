"""`restmcts export`: trees and samples as files for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, Root

app = typer.Typer(help="Export trees and samples.")

Output = Annotated[Path | None, typer.Option("--output", help="File to write [default: standard output].")]


@app.command("tree")
def tree(
    name: Annotated[str, typer.Argument(help="RUN/PHASE/NUMBER.", metavar="TREE")],
    root: Root = ROOT,
    output: Output = None,
) -> None:
    """Write one tree as JSON: every node with its text, values, visits, labels and verdict."""
    import orjson

    from restmcts.errors import InputError
    from restmcts.export import tree_as_dict
    from store.index.reader import StoreReader

    run, _, tree_id = name.partition("/")
    if not tree_id:
        raise InputError(f"{name!r} is not a tree: write RUN/PHASE/NUMBER")
    with StoreReader(root) as reader:
        content = tree_as_dict(reader.record(run, tree_id), reader.labels(run, tree_id))
    _write([orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"], output)


@app.command("samples")
def samples(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    kind: Annotated[str, typer.Option("--kind", help="policy or value.")] = "policy",
    iteration: Annotated[int | None, typer.Option("--iteration", min=0, help="Only this iteration.")] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="messages (conversations) or prompt-completion (plain text), for other trainers"
            " [default: as in the store].",
        ),
    ] = None,
    instruction: Annotated[
        str, typer.Option("--instruction", help="With --format: text that follows the problem.")
    ] = "",
    root: Root = ROOT,
    output: Output = None,
) -> None:
    """Write the training samples of a run as JSON Lines.

    The SFTTrainer of TRL reads both formats for other trainers, by datasets.load_dataset("json", ...).
    """
    from restmcts.errors import InputError
    from restmcts.export import FORMATS, export_sample, read_samples, sample_files

    if kind not in {"policy", "value"}:
        raise InputError(f"--kind {kind!r}: choose policy or value")
    if format not in {None, *FORMATS}:
        raise InputError(f"--format {format!r}: choose {' or '.join(FORMATS)}")
    if instruction and format is None:
        raise InputError("--instruction goes with --format")
    files = sample_files(root, run, kind, iteration)
    rows = (sample for file in files for sample in read_samples(file))
    _write([export_sample(row, format, instruction) + b"\n" for row in rows], output)


def _write(parts: list[bytes], output: Path | None) -> None:
    from restmcts.cli.text import escaped, say
    from store.files.atomic import replace_file

    if output is None:
        for part in parts:
            sys.stdout.write(escaped(part.decode()))
        return
    replace_file(output, parts)
    say(f"wrote {output}")
