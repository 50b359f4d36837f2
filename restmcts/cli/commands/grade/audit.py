"""`restmcts grade audit`: the verdicts of a run that deserve a second look."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Override, Root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from restmcts.engines.settings import ModelSettings
    from restmcts.evaluation.audit import Audit, Doubt
    from restmcts.problems.problem import Problem
    from restmcts.recipe import Recipe

VERDICTS = {True: "right", False: "wrong", None: "no verdict"}


def audit(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    phase: Annotated[
        str | None, typer.Option("--phase", help="Only the trees of this phase [default: all phases].")
    ] = None,
    other: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="GRADER",
            help=(
                "Name of the other grader, or judge: a language model [default: exact for math, math for"
                " others, choice or reasoning-gym where the problems have options or tasks]."
            ),
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="With judge: folder of the language model, or its name on a server."),
    ] = None,
    problems: Annotated[
        Path | None,
        typer.Option("--problems", help="File of the problems [default: those of the recipe]."),
    ] = None,
    root: Root = ROOT,
    override: Override = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
) -> None:
    """List the answers in stored trees on which two graders disagree, and those that have no verdict.

    Also finished solutions in which no answer was found. Rows are grouped by problem and answer, with a tree
    to look at (`restmcts show RUN/PHASE/NUMBER`). Nothing is changed; `restmcts grade override` changes a
    verdict, and the answer is not listed any more.

    A language model judges by --with judge --policy MODEL; -o models.KEY=VALUE sets how it runs, for example
    -o models.engine=openai -o models.openai.base_url=http://127.0.0.1:8000/v1.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.errors import InputError
    from restmcts.grading.registry import GRADERS
    from restmcts.loops.stored.auditing import JUDGE, audit_run, check_grader, open_judge, other_grader
    from restmcts.stored_recipes import stored_recipe
    from store.files.layout import RunLayout

    recipe, _ = stored_recipe(root, run)
    if other is not None:
        check_grader(other)
    if (other == JUDGE) != (policy is not None):
        raise InputError("--with judge needs a --policy to ask, and no other grader does")
    known = _problems(root, run, recipe, problems)
    name = other or other_grader(recipe.problems.grader, known)
    with ExitStack() as opened:
        if policy is not None:
            grader = opened.enter_context(open_judge(_models(policy, override or [])))
            found = audit_run(RunLayout(root, run), phase, known, grader)
            cost: dict[str, Any] = asdict(grader.cost)
        else:
            opened_grader = opened.enter_context(GRADERS[name].open())
            found = audit_run(RunLayout(root, run), phase, known, opened_grader)
            cost = {}
    if as_json:
        graders = {"grader": recipe.problems.grader, "other": name, "phases": list(found.phases)}
        print_json({"run": run, **graders, **({"cost": cost} if cost else {}), **asdict(found.audit)})
    elif as_csv:
        _print_csv(run, found.audit.doubts)
    else:
        _print(run, recipe.problems.grader, name, found.audit, cost)


def _problems(root: Path, run: str, recipe: Recipe, file: Path | None) -> list[Problem]:
    """The problems with their fields, as far as they can be read again."""
    from restmcts.cli.output.text import note
    from restmcts.cli.received import check_files
    from restmcts.errors import InputError
    from restmcts.problems.jsonl import load_problems
    from restmcts.problems.registry import load_splits

    if file is not None:
        return load_problems(file.expanduser(), require_answers=False)
    try:
        check_files(root, run, recipe)
        splits = load_splits(recipe.problems, recipe.seed)
    except InputError as error:
        note(f"only what the trees say of the problems is known, without tolerances and options ({error})")
        return []
    return [*splits.train, *splits.validation, *splits.test]


def _models(policy: Path, overrides: Sequence[str]) -> ModelSettings:
    from restmcts.recipe import override_values

    tables = {"recipe": "audit", "models": {"policy": str(policy)}, "problems": {"test": "none"}}
    return override_values(tables, overrides, "audit").models


COLUMNS = ("kind", "problem", "answer", "oracle answer", "verdict", "other", "solutions", "trees", "look at")


def _row(run: str, doubt: Doubt) -> tuple[object, ...]:
    """A doubt as a row of a table; of a solution without an answer, its end."""
    answer = doubt.answer if doubt.answer is not None else f"… {doubt.end}"
    other = VERDICTS[doubt.other]
    if doubt.kind == "no answer":
        other = "–" if doubt.found is None else f"finds {doubt.found}"
    place = f"{run}/{doubt.tree} node {doubt.node}"
    facts = (doubt.oracle, VERDICTS[doubt.verdict], other, doubt.solutions, doubt.trees, place)
    return (doubt.kind, doubt.problem, answer, *facts)


def _print(run: str, grader: str, other: str, found: Audit, cost: dict[str, Any]) -> None:
    from restmcts.cli.output.console import print_table
    from restmcts.cli.output.text import say

    rows = [_row(run, doubt) for doubt in found.doubts]
    print_table(f"{run}: {grader} against {other}", COLUMNS, rows)
    counts = [
        f"{kind} {sum(doubt.kind == kind for doubt in found.doubts):,}"
        for kind in dict.fromkeys(doubt.kind for doubt in found.doubts)
    ]
    say(
        f"{found.solutions:,} solutions, {found.answers:,} different answers, {found.overridden:,}"
        f" overridden: {', '.join(counts) or 'nothing to look at'}"
    )
    if cost:
        tokens = f"{cost['prompt']:,} and wrote {cost['critic']:,} tokens"
        say(f"the judge read {tokens} in {cost['calls']:,} calls")


def _print_csv(run: str, doubts: Sequence[Doubt]) -> None:
    import csv
    import io
    import sys

    from restmcts.cli.output.text import visible

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([visible(cell, 100_000) for cell in _row(run, doubt)] for doubt in doubts)
    sys.stdout.write(text.getvalue())
