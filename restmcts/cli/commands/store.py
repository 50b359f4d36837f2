"""`restmcts store`: check the files of a store, rebuild its index."""

from __future__ import annotations

import typer

from restmcts.cli.options import ROOT, AsJson, Root

app = typer.Typer(help="Check and rebuild the experiment store.")


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
