"""`restmcts grade override`: a person's verdict in place of the grader's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restmcts.cli.options import ROOT, AsJson, Root


def override(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    problem: Annotated[str | None, typer.Argument(help="Name of a problem, as in its trees.")] = None,
    answer: Annotated[
        str | None,
        typer.Argument(help="An answer that a tree has; behind -- it may begin with -."),
    ] = None,
    right: Annotated[
        bool | None,
        typer.Option("--right/--wrong", help="The verdict.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the verdict back.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it is stored.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List what is overridden.")] = False,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Override the verdict on an answer, with a reason.

    The trees stay as they are. Wherever they are read, the answer has the new verdict: in tables, comparisons
    and replays, and in further searches and labels of the run. Labels, samples and models that the run has
    made before do not change; `restmcts label RUN` makes the labels anew.
    """
    from restmcts.errors import InputError

    if listed:
        if problem is not None or right is not None or undo:
            raise InputError("--list goes with the name of a run alone")
        _list(root, run, as_json)
        return
    if problem is None or answer is None:
        raise InputError("name a run, a problem and an answer: restmcts grade override RUN PROBLEM ANSWER")
    if (right is None) is not undo:
        raise InputError("give one of --right, --wrong and --undo")
    if not undo and not (reason or "").strip():
        raise InputError("--reason is missing: say why, for those who look at the run later")
    _change(root, run, problem, answer, right, reason or "", as_json)


def _change(
    root: Path, run: str, problem: str, answer: str, right: bool | None, reason: str, as_json: bool
) -> None:
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import note, say, visible
    from restmcts.loops.stored.overridden import change, stale
    from restmcts.stored_recipes import stored_text
    from store.runs.writer import RunWriter

    text = stored_text(root, run)
    with RunWriter.create_or_open(root, run, config=text, environment={}, note=note) as writer:
        changed = change(writer, problem, answer, right, reason)
        said = stale(run, writer.phases(), writer.overrides)
    if said is not None:
        note(said)
    if as_json:
        print_json({"run": run, "problem": problem, "correct": right, **asdict(changed)})
        return
    verdict = {True: "right", False: "wrong", None: "as the grader says"}[right]
    counts = f"{changed.solutions:,} solutions of {changed.trees:,} trees"
    say(f"{visible(changed.answer)} is {verdict} now, in {counts}")


def _list(root: Path, run: str, as_json: bool) -> None:
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.stored_recipes import stored_text
    from store.files.layout import RunLayout
    from store.runs.reading import read_overrides

    stored_text(root, run)  # says where there is no such run
    found = list(read_overrides(RunLayout(root, run)).in_force())
    if as_json:
        print_json([asdict(row) for row in found])
        return
    print_table(
        f"overridden verdicts of {run}",
        ("problem", "answer", "verdict", "reason", "time"),
        [
            (row.problem, row.answer, "right" if row.correct else "wrong", row.reason, row.time)
            for row in found
        ],
    )
