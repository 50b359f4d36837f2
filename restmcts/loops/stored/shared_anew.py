"""What one budget for a whole problem set would have come to on stored trees; nothing is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restmcts.errors import InputError
from restmcts.evaluation.reading.counterfactuals import kind_of, readable
from restmcts.evaluation.shared_budget import Course, course, shared_in_halves
from restmcts.loops.stored.anew import Source
from restmcts.search.registry import row_name
from store.answering.rules import SURE
from store.events import Header, SearchRecord
from store.tree import fold

Courses = dict[tuple[str, str], Course]


def shared_anew(source: Source, means: Sequence[int], rules: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each kind of search, rule and mean; thresholds are chosen on the other half of the problems.

    Args:
        means: generated tokens a problem.
        rules: answer rules; none: all those that say how sure they are.

    Raises:
        InputError: no tree is answered by such a rule, or a mean is larger than the budget of the searches.
    """
    wanted = [rule for rule in rules or SURE if rule in SURE]
    found: dict[tuple[str, str], tuple[Header, Courses]] = {}
    for record in source.records():
        if record.result.reason != "failed":
            _add(found, record, wanted)
    rows = []
    for (_, rule), (header, courses) in found.items():
        name = f"{row_name(header.method, rule)}, shared budget"
        for mean in means:
            if header.budget is not None and mean > header.budget:
                raise InputError(
                    f"--budget {mean}: {header.method} was searched with {header.budget} tokens a problem in"
                    f" {source}: ask for at most that"
                )
            if len(courses) > 1:
                rows.append(shared_in_halves(name, mean, courses, most=header.budget))
    if not rows:
        raise InputError(
            f"--budget-shared: {source} has no two trees that are answered by {' or '.join(SURE)}"
        )
    return rows


def _add(
    found: dict[tuple[str, str], tuple[Header, Courses]], record: SearchRecord, rules: Sequence[str]
) -> None:
    header, tree = record.header, fold(record.events)
    for rule in rules:
        if readable(tree, rule):
            _, courses = found.setdefault((kind_of(header), rule), (header, {}))
            courses[header.problem, header.question] = course(record, rule)
