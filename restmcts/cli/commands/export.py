"""`restmcts export`: trees, replays and samples as files for other tools."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, Root

if TYPE_CHECKING:
    from restmcts.export.formats import Origin
    from restmcts.export.trees import Trace
    from store.index.reader import StoreReader
    from store.records import Sample

app = typer.Typer(help="Export trees, replays and samples.")

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="File to write [default: standard output].")
]


@app.command("tree")
def tree(
    name: Annotated[str, typer.Argument(help="RUN/PHASE/NUMBER.", metavar="TREE")],
    root: Root = ROOT,
    output: Output = None,
) -> None:
    """Write one tree as JSON: every node with its text, values, visits, labels and verdict."""
    import orjson

    from restmcts.cli.stores import open_store
    from restmcts.export.trees import tree_as_dict

    with open_store(root) as reader:
        run, tree_id = _tree(reader, name)
        content = tree_as_dict(reader.record(run, tree_id), reader.labels(run, tree_id))
    _write([orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"], output)


@app.command("replay")
def replay(
    name: Annotated[str, typer.Argument(help="RUN/PHASE/NUMBER.", metavar="TREE")],
    root: Root = ROOT,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File of the page, ending in .html, or a folder [default: RUN-PHASE-NUMBER.html].",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write one search as an HTML page that replays it: one file, for any browser, without a network.

    The page has the tree with values and visits, a timeline with the solutions, and the reasons: what each
    selection compared, values before and after a backup, samples, rollouts, how the answers stand. Keys move
    through the events: left, right, Home, End, space to play.
    """
    from restmcts.cli.output.text import say
    from restmcts.cli.stores import open_store
    from restmcts.paths import expanded
    from store.files.atomic import make_folder, replace_file
    from tui.page.page import file_name, read_replay_page

    with open_store(root) as reader:
        run, tree_id = _tree(reader, name)
        path = _page_file(Path() if output is None else expanded(output), file_name(run, tree_id))
        page = read_replay_page(reader, run, tree_id)
    make_folder(path.parent)
    replace_file(path, [page.encode("utf-8", errors="replace")])
    say(f"wrote {path}")


def _tree(reader: StoreReader, name: str) -> tuple[str, str]:
    """The run and the tree in it that a name stands for.

    Raises:
        InputError: it names no tree.
    """
    from restmcts.errors import InputError
    from store.index.names import find

    if find(reader, name).tree is None:
        raise InputError(f"{name!r} is not a tree: write RUN/PHASE/NUMBER")
    run, _, tree_id = name.partition("/")
    return run, tree_id


def _page_file(output: Path, name: str) -> Path:
    """The file of a page: ``output``, or ``name`` in that folder.

    Raises:
        InputError: the name is neither that of a page nor of a folder.
    """
    from restmcts.errors import InputError

    if output.is_dir() or not output.suffix:
        return output / name
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {output}: the name of a page ends in .html")
    return output


@app.command("samples")
def samples(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    kind: Annotated[
        str, typer.Option("--kind", help="policy, value, preference, or traces: what the trees hold.")
    ] = "policy",
    iteration: Annotated[int | None, typer.Option("--iteration", min=0, help="Only this iteration.")] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="For other trainers: messages or prompt-completion (policy), preference (preference),"
            " unpaired-preference (preference or traces), stepwise (value) [default: as in the store].",
        ),
    ] = None,
    instruction: Annotated[
        str, typer.Option("--instruction", help="With --format: text that follows the problem.")
    ] = "",
    no_provenance: Annotated[
        bool, typer.Option("--no-provenance", help="With --format: leave out where rows come from.")
    ] = False,
    root: Root = ROOT,
    output: Output = None,
) -> None:
    """Write the training samples of a run as JSON Lines, or as Parquet to a file whose name ends in .parquet.

    The formats for other trainers are those of TRL, and are read by datasets.load_dataset("json", ...): SFT
    takes messages and prompt-completion, DPO and reward models take preference, KTO unpaired-preference. The
    kind traces has every finished solution that has a verdict, from the trees of training problems. stepwise
    has a verdict for each step, and in the column values the quality values that it follows from.

    Further columns say where a row comes from: run, iteration, problem, trees, and value or rated_margin.
    """
    from restmcts.errors import InputError
    from restmcts.export.formats import check_format, line, parquet, rows

    check_format(kind, format)
    for option, given in (("--instruction", bool(instruction)), ("--no-provenance", no_provenance)):
        if given and format is None:
            raise InputError(f"{option} goes with --format")
    found = [
        row
        for sample, origin in _samples(root, run, kind, iteration)
        for row in rows(sample, format, instruction, origin, provenance=not no_provenance)
    ]
    if not found:
        raise InputError(f"no {kind} sample of run {run!r} says anything in this format")
    if output is not None and output.suffix == ".parquet":
        _write([parquet(found)], output)
    else:
        _write(map(line, found), output)


def _samples(
    root: Path, run: str, kind: str, iteration: int | None
) -> Iterator[tuple[Sample | Trace, Origin]]:
    """The samples of a kind, each with where it comes from."""
    from restmcts.export.formats import Origin
    from restmcts.export.samples import iteration_of, label_rule, read_samples, sample_files
    from restmcts.export.trees import read_trees, traces, training_searches

    if kind == "traces":
        for phase, number in training_searches(root, run, iteration):
            for record in read_trees(root, run, phase):
                for trace in traces(record):
                    yield trace, Origin(run, number)
        return
    for file in sample_files(root, run, kind, iteration):
        rule = label_rule(root, run, file) if kind == "value" else ""
        origin = Origin(run, iteration_of(file) or 0, rule)
        for sample in read_samples(file):
            yield sample, origin


def _write(parts: Iterable[bytes], output: Path | None) -> None:
    from restmcts.cli.output.text import escaped, say
    from store.files.atomic import replace_file

    if output is None:
        for part in parts:
            sys.stdout.write(escaped(part.decode()))
        return
    replace_file(output, parts)
    say(f"wrote {output}")
