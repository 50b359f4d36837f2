"""`restmcts compare`: runs or methods side by side, with what their figures show and what they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, Against, AsJson, Margin, Root

if TYPE_CHECKING:
    from restmcts.evaluation.comparison.runs import RunFigures
    from restmcts.evaluation.comparison.tables import Comparison, Table
    from restmcts.evaluation.verdicts import Verdict

LONGEST = 800
"""Characters of a verdict that are printed; names of arms may be long."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared, and how it is said; see :func:`compare`."""

    markdown: bool = False
    picture: Path | None = None
    as_json: bool = False
    methods: bool = False
    phases: Sequence[str] = ()
    against: str | None = None
    margin: float | None = None
    flips: bool = False

    @property
    def share(self) -> float | None:
        """The margin as a share."""
        return None if self.margin is None else self.margin / 100


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="A run, or STORE/RUN in another store; or two sides: RUN/PHASE/METHOD, with @BUDGET.",
            metavar="RUN…",
        ),
    ],
    root: Root = ROOT,
    methods: Annotated[
        bool, typer.Option("--methods", help="Compare the methods of evaluations instead, at each budget.")
    ] = False,
    phase: Annotated[
        list[str] | None,
        typer.Option("--phase", help="With --methods: only this evaluation; repeat for more [default: all]."),
    ] = None,
    against: Against = None,
    margin: Margin = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="List the problems that only one side of a pair is right on.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Draw accuracy by iteration and by tokens: a .svg or .png file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs: accuracy by iteration with 95 % intervals, differences, tokens and time.

    Runs whose recipes differ in the seed alone are one arm; the name of an arm shows the settings in which it
    differs from other arms of its recipe. Arms are compared on the same test problems: the interval of a
    difference is a bootstrap over problems, for several seeds over seeds and problems, beside the exact
    McNemar test where answers are independent. Runs that were measured on different problems are compared as
    independent shares, and the output says so. All p-values together are corrected for the number of
    comparisons (Holm); a lead is claimed only if it is shown then. In the table of accuracies, tokens are
    those of a problem, and data counts the tokens that were generated for training data so far.

    With --methods, the methods of all evaluations of the runs are compared with each other at each budget. A
    method that takes one trace takes part at every budget that has room for it.

    Two sides, such as tiny/final.evaluate/mcts@170 and tiny/final.evaluate/tot-bfs@170, are compared problem
    by problem: what only one of them is right on, and why the other one is not.
    """
    from restmcts.cli.output.sides import are_sides, print_sides

    if are_sides(root, runs):
        _check_plain(methods or phase or against or margin or flips or picture)
        _check_forms(markdown, as_json)
        print_sides(root, runs, markdown=markdown, as_json=as_json)
        return
    wanted = Wanted(markdown, picture, as_json, methods, phase or (), against, margin, flips)
    check_output(wanted)
    print_comparison(root, runs, wanted)


def check_output(wanted: Wanted) -> None:
    """Refuse outputs of a comparison that cannot be, before any work is done for it.

    Raises:
        InputError: two forms at once, a picture of an unknown kind, or options that do not go together.
    """
    from restmcts.errors import InputError
    from restmcts.evaluation.comparison.picture import check_ending

    _check_forms(wanted.markdown, wanted.as_json)
    if wanted.phases and not wanted.methods:
        raise InputError("--phase goes with --methods")
    if wanted.picture is not None:
        if wanted.methods:
            raise InputError("--picture draws runs; `restmcts report` draws methods too")
        check_ending(wanted.picture)


def _check_forms(markdown: bool, as_json: bool) -> None:
    from restmcts.errors import InputError

    if markdown and as_json:
        raise InputError("--json and --markdown exclude each other")


def _check_plain(given: object) -> None:
    from restmcts.errors import InputError

    if given:
        raise InputError("two sides, RUN/PHASE/METHOD, go with --markdown and --json alone")


def print_comparison(
    root: Path, runs: Sequence[str], wanted: Wanted, figures: Sequence[RunFigures] | None = None
) -> None:
    """Compare runs, and print what the command prints; see :func:`compare`.

    Args:
        figures: what is known of each run; None: read it.

    Raises:
        InputError: there is no such run.
        StoreError: a run cannot be read, or the picture cannot be written.
    """
    from restmcts.loops.stored.compared import read_figures, stored_names

    names = stored_names(root, runs)
    known = read_figures(names) if figures is None else figures
    for text in (note for run in known for note in run.notes):
        _note(text)
    if wanted.methods:
        _print_methods(names, known, wanted)
    else:
        _print_arms(known, wanted)


def _print_arms(figures: Any, wanted: Wanted) -> None:
    from restmcts.evaluation.comparison.runs import arms_of
    from restmcts.evaluation.comparison.tables import arm_tables, compare_arms
    from restmcts.loops.stored.compared import check_side

    arms = arms_of(figures)
    check_side(wanted.against, [arm.name for arm in arms])
    found = compare_arms(arms, against=wanted.against, margin=wanted.share)
    _remark(found.verdicts)
    if wanted.picture is not None:
        _draw(found, wanted.picture)
    if wanted.as_json:
        _print_json(
            {
                "arms": [{"arm": arm.name, "runs": [run.name for run in arm.runs]} for arm in found.arms],
                "accuracies": [asdict(row) for row in found.accuracies],
                "differences": _as_rows(found.verdicts, wanted.flips),
                "spending": [asdict(row) for row in found.spending],
                "figures": [asdict(row) for row in found.figures],
            }
        )
    else:
        _print_tables(arm_tables(found), found.verdicts, found.latest, wanted)


def _print_methods(names: Any, figures: Any, wanted: Wanted) -> None:
    from restmcts.errors import InputError
    from restmcts.evaluation.comparison.tables import compare_methods, method_tables
    from restmcts.loops.stored.compared import check_side, read_methods

    scored, notes = read_methods(names, figures, wanted.phases)
    for text in notes:
        _note(text)
    if not scored:
        raise InputError("no method was evaluated in these runs: `restmcts eval RUN` compares methods")
    check_side(wanted.against, [one.name for one in scored])
    found = compare_methods(scored, against=wanted.against, margin=wanted.share)
    _remark(found.verdicts)
    if wanted.as_json:
        _print_json(
            {
                "accuracies": [asdict(row) for row in found.accuracies],
                "differences": _as_rows(found.verdicts, wanted.flips),
            }
        )
    else:
        _print_tables(method_tables(found), found.verdicts, found.verdicts, wanted)


def _remark(found: Sequence[Verdict]) -> None:
    """Say what whoever reads the tables has to know."""
    pairs = {(row.first, row.second) for row in found if not row.paired}
    if pairs:
        _note(
            f"{'; '.join(f'{first} and {second}' for first, second in sorted(pairs))}: measured on different"
            " problems, so their differences are those of independent shares"
        )
    if len(found) > 1:
        _note(
            f"{len(found)} differences are tested: p-values are corrected for that number, and intervals are"
            " those of each alone"
        )


def _note(text: str) -> None:
    from restmcts.cli.output.text import note

    note(text)


def _draw(found: Comparison, path: Path) -> None:
    from restmcts.evaluation.comparison.picture import picture
    from store.files.atomic import replace_file

    replace_file(path, [picture(found.accuracies, path.suffix.lower().removeprefix("."))])
    _note(f"wrote {path}")


def _as_rows(found: Sequence[Verdict], flips: bool) -> list[dict[str, Any]]:
    rows = []
    for verdict in found:
        row = asdict(verdict) | {"shown": verdict.shown, "verdict": verdict.verdict}
        if not flips:
            del row["flips"]
        rows.append(row)
    return rows


def _print_json(value: Any) -> None:
    from restmcts.cli.output.console import print_json

    print_json(value)


def _print_tables(
    tables: Sequence[Table], found: Sequence[Verdict], said: Sequence[Verdict], wanted: Wanted
) -> None:
    from restmcts.cli.output.console import print_table
    from restmcts.cli.output.tables import markdown_table
    from restmcts.cli.output.text import say, visible
    from restmcts.evaluation.comparison.tables import flip_table

    for title, columns, rows in [*tables, *([flip_table(found)] if wanted.flips else [])]:
        if not rows:
            continue
        if wanted.markdown:
            say(f"### {title}\n\n{markdown_table(columns, rows)}\n")
        else:
            print_table(title, columns, rows)
    for row in said:
        say(f"{'- ' if wanted.markdown else ''}{visible(row.verdict, LONGEST)}")
