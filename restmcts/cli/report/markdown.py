"""A report as Markdown, without its pictures."""

from __future__ import annotations

from collections.abc import Iterator

from restmcts.cli.output.tables import markdown_table, plain_markdown
from restmcts.cli.report.sections import (
    BEFORE_VERDICTS,
    Findings,
    Group,
    Section,
    family,
    findings,
    groups,
    headline,
    sections,
)
from restmcts.evaluation.report.content import Report

LONGEST = 1000
"""Characters of a sentence."""


def markdown_text(report: Report, made: str) -> str:
    """The report; nothing that a model or a recipe says is read as Markdown or HTML."""
    return "\n".join(_lines(report, made)) + "\n"


def _lines(report: Report, made: str) -> Iterator[str]:
    yield f"# {plain_markdown(report.title, LONGEST)}"
    yield f"\nMade {made}. {family(report)}".rstrip()
    told = headline(report)
    if told:
        yield "\n## What the figures show\n"
        yield from _list(told)
    if report.notes:
        yield "\n## What could not be read\n"
        yield from _list(report.notes)
    parts = sections(report, {})
    for section in parts:
        if section.name in BEFORE_VERDICTS:
            yield from _section(section)
    found = findings(report)
    if found:
        yield "\n## Verdicts"
        for each in found:
            yield from _verdicts(each)
    for section in parts:
        if section.name not in BEFORE_VERDICTS:
            yield from _section(section)
    looked_at = groups(report)
    if looked_at:
        yield "\n## Problems to look at"
        for group in looked_at:
            yield from _group(group)


def _section(section: Section) -> Iterator[str]:
    yield f"\n## {section.title}"
    if section.explained:
        yield f"\n{section.explained}"
    for table in section.tables:
        yield f"\n### {plain_markdown(table.title)}\n\n{markdown_table(table.columns, table.rows)}"


def _verdicts(found: Findings) -> Iterator[str]:
    yield f"\n### {plain_markdown(found.title, LONGEST)}\n"
    yield from _list((*found.shown, *found.open))


def _list(texts: tuple[str, ...] | list[str]) -> Iterator[str]:
    for text in texts:
        yield f"- {plain_markdown(text, LONGEST)}"


def _group(group: Group) -> Iterator[str]:
    yield f"\n### {group.title}: {group.total} ({group.meaning})\n"
    rows: list[list[object]] = [
        [
            replay.search.problem[1],
            "none" if replay.search.answer is None else replay.search.answer,
            "" if replay.search.oracle is None else replay.search.oracle,
            replay.search.method,
            replay.show,
        ]
        for replay in group.replays
    ]
    yield markdown_table(("problem", "answer", "right is", "method", "command"), rows)
