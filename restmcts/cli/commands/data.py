"""`restmcts data`: the data sets by name, a look at their rows, and what is wrong with a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import AsJson, Override

if TYPE_CHECKING:
    from restmcts.grading.data_check import FileCheck
    from restmcts.grading.inspection import Graded
    from restmcts.problems.problem import Problem
    from restmcts.problems.publication import Published

app = typer.Typer(help="Data sets by name, and checks of files of problems.", no_args_is_help=True)

_VERDICTS = {True: "right", False: "wrong", None: "no verdict"}

SHOWN_FAULTS = 100


@app.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """List the data sets: their rows, their grader, where they come from, and whether they are here.

    A set that is not here is fetched from the Hugging Face hub when it is asked for. The variable
    RESTMCTS_DATA names the folder of the copies; with HF_HUB_OFFLINE=1 nothing is fetched.
    """
    from restmcts.cli.output.console import print_json, print_table
    from restmcts.cli.output.text import say
    from restmcts.problems.hub import FOLDER_VARIABLE, data_folder
    from restmcts.problems.registry import DATA_SETS

    rows = [_row(name) for name in DATA_SETS]
    if as_json:
        print_json({"folder": str(data_folder()), "data_sets": rows})
        return
    print_table(
        "Data sets",
        ("name", "what it is", "rows", "grader", "from", "here"),
        [
            (
                row["name"],
                row["summary"],
                ", ".join(f"{split} {count:,}" for split, count in row["rows"].items()),
                row["grader"],
                ", ".join(row["from"]),
                ", ".join(row["here"]) or ("no" if row["from"] else ""),
            )
            for row in rows
        ],
    )
    say(f"copies are in {data_folder()} ({FOLDER_VARIABLE})")


def _row(name: str) -> dict[str, Any]:
    from restmcts.problems.registry import DATA_SETS

    data_set = DATA_SETS[name]
    grader = data_set.settings.model_fields["grader"].default
    row: dict[str, Any] = {"name": name, "summary": data_set.summary, "grader": grader}
    if data_set.published is None or not data_set.published.sizes:
        return {**row, "rows": {}, "from": [], "here": []}
    return {**row, **_places(data_set.published, data_set.settings())}


def _places(published: Published, settings: Any) -> dict[str, Any]:
    from restmcts.problems.hub import local_files

    sources = published.sources(settings)
    return {
        "rows": dict(published.sizes),
        "from": sorted({source.repository for source in sources.values()}),
        "here": [split for split, source in sources.items() if local_files(published.name, source)],
    }


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of rows, from the first.")] = 3,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Show rows of a data set as they are asked and graded.

    The oracle answer is graded as an answer, and so is what is found in the worked solution. A key of the set
    is changed by -o, for example -o subject=stat or -o shots=2.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.cli.output.text import note
    from restmcts.errors import InputError
    from restmcts.grading.inspection import inspect
    from restmcts.grading.registry import GRADERS
    from restmcts.problems.registry import data_set_settings, load_splits, test_values
    from restmcts.prompts import with_examples
    from restmcts.recipe_text import nested_overrides

    if split not in ("train", "validation", "test"):
        raise InputError(f"--split {split!r}: choose from train, validation, test")
    values = test_values(name, None) if split == "test" else {"data_set": name}
    settings = data_set_settings(values | nested_overrides(override or []))
    splits = load_splits(settings, 1)
    for line in splits.notes:
        note(line)
    problems: list[Problem] = getattr(splits, split)[:limit]
    with GRADERS[settings.grader].open() as grader:
        rows = [(problem, list(inspect(problem, grader))) for problem in problems]
    if as_json:
        print_json({"data_set": name, "split": split, "problems": [_as_json(*row) for row in rows]})
        return
    for problem, graded in rows:
        _print(problem, with_examples(problem.text, problem.examples), graded)


def _as_json(problem: Problem, graded: list[Graded]) -> dict[str, Any]:
    return {**asdict(problem), "graded": [asdict(row) for row in graded]}


def _print(problem: Problem, asked: str, graded: list[Graded]) -> None:
    from restmcts.cli.output.text import say

    say(f"{problem.id}")
    say(_indented(asked))
    say(
        f"  oracle answer: {problem.answer}"
        + ("" if problem.tolerance is None else f" ± {problem.tolerance:.0%}")
    )
    for row in graded:
        found = "nothing" if row.found is None else row.found
        what = "as an answer" if row.of == "oracle" else f"in the worked {row.of}: {found}"
        say(f"  {what}: {_VERDICTS[row.verdict]}")
    say()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="JSON Lines or CSV with 'problem' and 'answer'.")],
    against: Annotated[
        Path | None, typer.Option("--against", help="Another file, which must have no problem of this one.")
    ] = None,
    grader: Annotated[str, typer.Option("--grader", help="Name of the grader.")] = "math",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a file of problems, by line.

    Looked at are: lines that cannot be read, missing answers, oracle answers that do not equal themselves
    and so can never be reached, worked solutions with another answer, ids and problems that are there twice,
    and problems of the file --against. The exit code is 1 if there is anything.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.grading.data_check import check_file
    from restmcts.grading.registry import GRADERS

    with GRADERS.get(grader, "--grader").open() as opened:
        checked = check_file(file, opened, against)
    if as_json:
        print_json(asdict(checked))
    else:
        _report(file, checked)
    if checked.faults:
        raise typer.Exit(1)


def _report(file: Path, checked: FileCheck) -> None:
    from restmcts.cli.output.text import say, visible

    for fault in checked.faults[:SHOWN_FAULTS]:
        say(visible(f"{fault.place}: {fault.text}", 400))
    if len(checked.faults) > SHOWN_FAULTS:
        say(f"… and {len(checked.faults) - SHOWN_FAULTS:,} more (--json has all of them)")
    say(
        f"{file}: {checked.problems:,} problems; {checked.reachable:,} of {checked.answered:,} oracle answers"
        f" equal themselves; {checked.solved_right:,} of {checked.solved:,} worked solutions have the oracle"
        f" answer; {len(checked.faults):,} faults"
    )
