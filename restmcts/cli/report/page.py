"""A report as one HTML page: no network, no script, and nothing that a model wrote is read as HTML."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from restmcts import __version__
from restmcts.cli.output.text import visible
from restmcts.cli.report.sections import BEFORE_VERDICTS, family, findings, groups, headline, sections
from restmcts.evaluation.comparison.tables import Table
from restmcts.evaluation.report.content import Report
from restmcts.evaluation.report.figures import Picture

_NUMBERS = re.compile(r"(([-+]?[\d,.]+(e-?\d+)?%?[*=]?)( (to|-) [-+]?[\d,.]+%?)?)?|unpaired")
"""Cells that are set to the right: a number, an interval, or nothing."""

MOST_ROWS = 500
"""Rows of a table that are on the page; --json has all."""

LONGEST_CELL = 300
LONGEST_TEXT = 1000
"""Characters of a cell, and of a sentence or a problem; more is cut."""


def html_page(report: Report, pictures: dict[str, list[Picture]], made: str) -> str:
    """The page.

    Args:
        report: what it says.
        pictures: its pictures by section.
        made: when it was made, in words.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(cell=_cell, line=_line, numeric=_numeric, data_uri=_data_uri, short=_short)
    template = environment.from_string(files(__package__).joinpath("report.html").read_text("utf-8"))
    return template.render(
        report=report,
        sections=sections(report, pictures),
        findings=findings(report),
        headline=headline(report),
        groups=groups(report),
        family=family(report),
        made=made,
        version=__version__,
        most_rows=MOST_ROWS,
        before_verdicts=BEFORE_VERDICTS,
    )


def _cell(value: object) -> str:
    return visible(value, LONGEST_CELL)


def _line(value: object) -> str:
    return visible(value, LONGEST_TEXT)


def _short(value: object) -> str:
    return visible(value, 120)


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers, and are set to the right."""
    return [
        bool(table.rows) and all(_is_number(row[place]) for row in table.rows) for place in _places(table)
    ]


def _places(table: Table) -> Sequence[int]:
    return range(len(table.columns))


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) or (isinstance(cell, str) and _NUMBERS.fullmatch(cell) is not None)


def _data_uri(picture: Picture) -> str:
    return f"data:image/svg+xml;base64,{b64encode(picture.svg).decode('ascii')}"
