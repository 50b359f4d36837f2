"""`restmcts store`: check the files of a store, rebuild its index, merge stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Root
from restmcts.paths import expanded

if TYPE_CHECKING:
    from store.merging.merge import Arrived

app = typer.Typer(help="Check, rebuild and merge experiment stores.")


@app.command("check")
def check(root: Root = ROOT, as_json: AsJson = False) -> None:
    """Read every file of the store and compare it with the index; exit code 1 when something is wrong."""
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import say
    from store import check as store_check

    findings = store_check.check(root)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            say(finding)
        say(f"{root}: {len(findings) or 'no'} problem{'' if len(findings) == 1 else 's'} found")
    if findings:
        raise typer.Exit(1)


@app.command("rebuild")
def rebuild(root: Root = ROOT, as_json: AsJson = False) -> None:
    """Rebuild the SQLite index from the JSON Lines files."""
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import say
    from store import check as store_check

    counts = store_check.rebuild(root)
    if as_json:
        print_json(counts)
        return
    say(", ".join(f"{count} {name}" for name, count in counts.items()))


@app.command("merge")
def merge(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="STORE_OR_RUN...", help="Folders of stores, or of runs in them."),
    ],
    into: Annotated[
        Path, typer.Option("--into", callback=expanded, help="Folder of the store that gets the runs.")
    ],
    run: Annotated[
        str | None,
        typer.Option("--run", help="Name of the run to make, where there is one [default: as it was]."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Merge also where shards are missing or not done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make one run of the shards of a search (restmcts search --shard), and copy other runs.

    The run is the one that a search without --shard would have made, and can go on as such: with --partial,
    the command of the search without --shard does the rest. Shards of other recipes, problems, models or
    versions are refused, and so is what was damaged. The shards stay where they are; they may then be
    deleted.

    A run that is there already and holds the same stays; another one of its name is refused. When this
    command is interrupted, no run is half there, and the same command goes on.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import note
    from store.merging.merge import merge as merge_runs

    arrived = merge_runs([expanded(path) for path in sources], into, run, partial=partial, note=note)
    if as_json:
        print_json([_row(each) for each in arrived])
        return
    for each in arrived:
        _tell(each)


def _row(arrived: Arrived) -> dict[str, object]:
    return {
        "run": arrived.run,
        "new": arrived.new,
        "sources": [str(path) for path in arrived.sources],
        "searches": arrived.searches,
        "missing": list(arrived.missing),
    }


def _tell(arrived: Arrived) -> None:
    from restmcts.cli.output.text import say
    from store.nearby import listed

    if arrived.searches is None:
        made = f"copied from {arrived.sources[0]}"
    else:
        made = f"{arrived.searches} searches of {len(arrived.sources)} shards"
    say(f"{arrived.run}: {made}{'' if arrived.new else '; it was there already'}")
    if arrived.missing:
        say(
            f"Missing or not done: {listed(arrived.missing)}; the command of the search with"
            f" --run {arrived.run} and without --shard does the rest"
        )
