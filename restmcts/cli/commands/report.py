"""`restmcts report`: everything that stored runs show, as one page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restmcts.cli.options import ROOT, Against, AsJson, Margin, Root

if TYPE_CHECKING:
    from restmcts.evaluation.comparison.runs import RunFigures


def report(
    runs: Annotated[list[str], typer.Argument(help="A run, or STORE/RUN in another store.", metavar="RUN…")],
    to: Annotated[
        Path,
        typer.Option("--to", help="File of the page, ending in .html, or a folder for report.html."),
    ] = Path("report.html"),
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            help="File of the report as Markdown [default: beside the page].",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a row for each accuracy into this file.")
    ] = None,
    against: Against = None,
    margin: Margin = None,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Write what runs show as one HTML page that needs no network, and as Markdown.

    The report has verdicts on all pairs of arms and of methods, accuracy against tokens and by iteration with
    95 % intervals, calibration, costs, how searches ended, the settings, and problems to look at with the
    commands that replay their searches. It can be made of any runs: of one that is still running, of a study,
    or of searches without an evaluation. Nothing in the store is changed. --json prints everything as data.
    """
    write_report(root, runs, page_file(to), markdown, csv, against=against, margin=margin, as_json=as_json)


def write_report(
    root: Path,
    runs: Sequence[str],
    page: Path,
    markdown: Path | None = None,
    csv: Path | None = None,
    *,
    against: str | None = None,
    margin: float | None = None,
    as_json: bool = False,
    figures: Sequence[RunFigures] | None = None,
) -> None:
    """Write the files of a report; see :func:`report`.

    Args:
        figures: what is known of each run; None: read it.

    Raises:
        InputError: there is no such run, or none has what is to be compared.
        StoreError: a run cannot be read, or a file cannot be written.
    """
    from restmcts.cli.output.console import print_json
    from restmcts.cli.report.markdown import markdown_text
    from restmcts.cli.report.page import html_page
    from restmcts.cli.report.rows import csv_text, report_values
    from restmcts.evaluation.report.figures import pictures
    from restmcts.loops.stored.compared import read_figures, stored_names
    from restmcts.loops.stored.reported import read_report
    from restmcts.paths import expanded

    names = stored_names(root, runs)
    known = read_figures(names) if figures is None else figures
    found = read_report(names, known, against=against, margin=None if margin is None else margin / 100)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    _write(page, html_page(found, pictures(found), made))
    _write(page.with_suffix(".md") if markdown is None else expanded(markdown), markdown_text(found, made))
    if csv is not None:
        _write(expanded(csv), csv_text(found))
    if as_json:
        print_json(report_values(found))


def page_file(to: Path) -> Path:
    """The file of the page, where ``to`` is that file or a folder.

    Raises:
        InputError: the name is neither that of a page nor of a folder.
    """
    from restmcts.errors import InputError
    from restmcts.paths import expanded

    to = expanded(to)
    if to.is_dir() or not to.suffix:
        return to / "report.html"
    if to.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--to {to}: the name of a page ends in .html; a name without an ending is a folder")
    return to


def _write(path: Path, text: str) -> None:
    from restmcts.cli.output.text import note
    from store.files.atomic import make_folder, replace_file

    make_folder(path.parent)
    replace_file(path, [text.encode("utf-8", errors="replace")])
    note(f"wrote {path}")
