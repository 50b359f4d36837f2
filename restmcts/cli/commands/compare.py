"""`restmcts compare`: runs side by side, with what their figures show and what they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restmcts.cli.options import ROOT, AsJson, Root

if TYPE_CHECKING:
    from restmcts.evaluation.comparison.differences import Accuracy, Difference, Figure, Spending
    from restmcts.evaluation.comparison.runs import Arm, RunFigures


def compare(
    runs: Annotated[list[str], typer.Argument(help="A run, or STORE/RUN in another store.", metavar="RUN…")],
    root: Root = ROOT,
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
    difference is a bootstrap over seeds and problems, beside the exact McNemar test where answers are
    independent. Runs that were measured on different problems are compared as independent shares, and the
    output says so. In the table of accuracies, tokens are those of a problem, and data counts the tokens that
    were generated for training data so far.
    """
    check_output(markdown, picture, as_json)
    print_comparison(root, runs, markdown=markdown, picture=picture, as_json=as_json)


def check_output(markdown: bool, picture: Path | None, as_json: bool) -> None:
    """Refuse outputs of a comparison that cannot be, before any work is done for it.

    Raises:
        InputError: two forms at once, or a picture of an unknown kind.
    """
    from restmcts.errors import InputError
    from restmcts.evaluation.comparison.picture import check_ending

    if markdown and as_json:
        raise InputError("--json and --markdown exclude each other")
    if picture is not None:
        check_ending(picture)


def print_comparison(
    root: Path, runs: Sequence[str], *, markdown: bool, picture: Path | None, as_json: bool
) -> None:
    """Compare runs, and print what the command prints; see :func:`compare`.

    Raises:
        InputError: there is no such run.
        StoreError: a run cannot be read, or the picture cannot be written.
    """
    from restmcts.evaluation.comparison.runs import arms_of

    figures = _read(root, runs)
    report = _report(arms_of(figures))
    for text in [*(note for run in figures for note in run.notes), *_remarks(report)]:
        _note(text)
    if picture is not None:
        _draw(report, picture)
    if as_json:
        _print_json(report)
    else:
        _print_tables(report, markdown)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a comparison says."""

    arms: list[Arm]
    accuracies: list[Accuracy]
    differences: list[Difference]
    latest: list[Difference]
    spending: list[Spending]
    figures: list[Figure]


def _report(arms: list[Arm]) -> Report:
    from restmcts.evaluation.comparison import differences as found

    pairs = found.differences(arms)
    return Report(
        arms, found.accuracies(arms), pairs, found.latest(pairs), found.spending(arms), found.figures(arms)
    )


def _read(root: Path, names: Sequence[str]) -> list[RunFigures]:
    from restmcts.errors import InputError
    from restmcts.loops.stored.measured import read_run
    from restmcts.paths import expanded

    read = []
    for name in dict.fromkeys(names):
        folder, separator, run = name.rpartition("/")
        store = expanded(Path(folder or "/")) if separator else root
        if not store.is_dir():
            raise InputError(f"{store}: no such folder; write RUN, or STORE/RUN")
        read.append(read_run(store, run, name))
    return read


def _remarks(report: Report) -> list[str]:
    """What whoever reads the tables has to know."""
    remarks = []
    unpaired = [row for row in report.differences if not row.paired]
    if unpaired:
        pairs = {(row.first, row.second) for row in unpaired}
        remarks.append(
            f"{'; '.join(f'{first} and {second}' for first, second in sorted(pairs))}: measured on different"
            " problems, so their differences are those of independent shares"
        )
    if len(report.differences) > 1:
        remarks.append(
            f"{len(report.differences)} differences are tested, and no interval is widened for that number"
        )
    return remarks


def _note(text: str) -> None:
    from restmcts.cli.text import note

    note(text)


def _draw(report: Report, path: Path) -> None:
    from restmcts.evaluation.comparison.picture import picture
    from store.files.atomic import replace_file

    replace_file(path, [picture(report.accuracies, path.suffix.lower().removeprefix("."))])
    _note(f"wrote {path}")


def _print_json(report: Report) -> None:
    from restmcts.cli.console import print_json

    print_json(
        {
            "arms": [{"arm": arm.name, "runs": [run.name for run in arm.runs]} for arm in report.arms],
            "accuracies": [asdict(row) for row in report.accuracies],
            "differences": [
                asdict(row) | {"shown": row.shown, "verdict": row.verdict} for row in report.differences
            ],
            "spending": [asdict(row) for row in report.spending],
            "figures": [asdict(row) for row in report.figures],
        }
    )


def _print_tables(report: Report, markdown: bool) -> None:
    from restmcts.cli.console import print_table
    from restmcts.cli.tables import markdown_table
    from restmcts.cli.text import say, visible

    for title, columns, rows in _tables(report):
        if not rows:
            continue
        if markdown:
            say(f"### {title}\n\n{markdown_table(columns, rows)}\n")
        else:
            print_table(title, columns, rows)
    for row in report.latest:
        say(f"{'- ' if markdown else ''}{visible(row.verdict, 600)}")


Table = tuple[str, tuple[str, ...], list[list[object]]]


def _tables(report: Report) -> list[Table]:
    return [
        (
            "arms",
            ("arm", "runs"),
            [[arm.name, ", ".join(run.name for run in arm.runs)] for arm in report.arms],
        ),
        (
            "accuracy on held-out problems",
            ("iteration", "method", "arm", "accuracy", "95 % interval", "runs", "problems", "tokens", "data"),
            [_accuracy_cells(row) for row in report.accuracies],
        ),
        (
            "differences, in points",
            ("iteration", "method", "first", "second", "first - second", "95 % interval", "p", "problems"),
            [_difference_cells(row) for row in report.differences],
        ),
        (
            "spent in a run",
            ("arm", "iteration", "for", "generated tokens", "value tokens", "trained tokens", "seconds"),
            [_spending_cells(row) for row in report.spending],
        ),
        *figure_tables(report.figures),
    ]


def figure_tables(figures: Sequence[Figure]) -> list[Table]:
    """The figures of iterations, those by depth in a table of their own."""
    of_depths = [row for row in figures if ".depth_" in row.name]
    by_depth = sorted(of_depths, key=lambda row: int(row.name.rpartition("_")[2]))
    others = [row for row in figures if ".depth_" not in row.name]
    return [
        _figure_table("figures of iterations", others),
        _figure_table("AUC of value models on held-out trees, by depth", by_depth),
    ]


def _figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """A row for each iteration of an arm, a column for each figure."""
    names = list(dict.fromkeys(row.name for row in figures))
    places = dict.fromkeys((row.arm, row.iteration) for row in figures)
    values = {(row.arm, row.iteration, row.name): f"{row.value:.3f}" for row in figures}
    rows: list[list[object]] = [
        [arm, iteration, *(values.get((arm, iteration, name), "") for name in names)]
        for arm, iteration in places
    ]
    return title, ("arm", "iteration", *(name.rpartition(".depth_")[2] for name in names)), rows


def _iteration(row: Accuracy | Difference) -> object:
    return "closing" if row.point.closing else row.point.iteration


def _accuracy_cells(row: Accuracy) -> list[object]:
    share = row.accuracy
    return [
        _iteration(row),
        row.point.how,
        row.arm,
        f"{share.value:.1%}",
        f"{share.low:.1%} - {share.high:.1%}",
        row.runs,
        row.problems,
        f"{row.policy_tokens:.0f}",
        f"{row.data_tokens:,.0f}",
    ]


def _difference_cells(row: Difference) -> list[object]:
    found = row.interval
    return [
        _iteration(row),
        row.point.how,
        row.first,
        row.second,
        f"{100 * found.value:+.1f}",
        f"{100 * found.low:.1f} to {100 * found.high:.1f}",
        "" if row.p_value is None else f"{row.p_value:.2g}",
        row.problems if row.paired else "unpaired",
    ]


def _spending_cells(row: Spending) -> list[Any]:
    return [
        row.arm,
        row.iteration,
        row.part,
        f"{row.generated_tokens:,.0f}",
        f"{row.value_tokens:,.0f}",
        "" if row.trained_tokens is None else f"{row.trained_tokens:,.0f}",
        f"{row.seconds:,.0f}",
    ]
