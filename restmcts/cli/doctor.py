"""`restmcts doctor`: what this machine has, and what is missing."""

from __future__ import annotations

from dataclasses import asdict

import typer

from restmcts.cli.options import ROOT, AsJson, Root


def doctor(root: Root = ROOT, as_json: AsJson = False) -> None:
    """Show versions, devices and extras, and what to install for the rest; exit code 1 on a problem."""
    from restmcts.cli.console import print_json, print_table
    from restmcts.doctor import report

    findings = report(root)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        marks = {True: "ok", False: "missing", None: ""}
        rows = [(f.name, marks[f.ok], f.value, f.hint) for f in findings]
        print_table("restmcts doctor", ("what", "", "found", "what to do"), rows)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)
