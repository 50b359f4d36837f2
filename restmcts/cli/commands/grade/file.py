"""`restmcts grade FILE`: what answers are found in solutions, and how they are graded, without a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import AsJson, Limit

if TYPE_CHECKING:
    from restmcts.grading.inspection import Graded

_VERDICTS = {True: "right", False: "wrong", None: "no verdict"}


def grade(
    file: Annotated[
        Path,
        typer.Argument(
            help=(
                "JSON Lines with 'problem' and 'answer', and with a 'solution', a 'response' or a list of"
                " 'responses'."
            )
        ),
    ],
    grader: Annotated[str, typer.Option("--grader", help="Name of the grader.")] = "math",
    limit: Limit = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every row [default: those that are not right].")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is found in the solutions of a file and how it is graded, before anything is searched.

    Each oracle answer is graded as an answer too: one that does not equal itself can never be reached. Early
    stops are prefixes of a solution, cut at its lines, that count as finished with another answer than the
    whole solution has.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import say
    from restmcts.grading.inspection import inspect_file
    from restmcts.grading.registry import GRADERS

    with GRADERS.get(grader, "--grader").open() as opened:
        rows = list(inspect_file(file, opened, limit=limit))
    counts = _counts(rows)
    if as_json:
        print_json({**counts, "graded": [asdict(row) for row in rows]})
        return
    shown = rows if everything else [row for row in rows if row.verdict is not True or row.early_stops]
    print_table(
        f"{file}: {len(shown)} of {len(rows)} rows",
        ("problem", "of", "found", "oracle answer", "verdict", "early stops"),
        [
            (row.problem, row.of, row.found or "–", row.oracle, _VERDICTS[row.verdict], row.early_stops)
            for row in shown
        ],
    )
    say(", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))


def _counts(rows: list[Graded]) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "right": sum(row.verdict is True for row in rows),
        "wrong": sum(row.verdict is False for row in rows),
        "without_a_verdict": sum(row.verdict is None for row in rows),
        "without_an_answer": sum(row.found is None for row in rows),
        "prefixes": sum(row.prefixes for row in rows),
        "early_stops": sum(row.early_stops for row in rows),
    }
