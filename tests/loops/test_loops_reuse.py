"""An evaluation takes over what other evaluations have searched; nothing is searched twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from restmcts.loops.commands import Comparison, compare_methods
from restmcts.loops.results import Evaluated
from restmcts.problems.splits import Splits
from restmcts.search.choice import EvaluatedMethod
from store.check import check
from store.events import SearchRecord
from tests.loops.scripted import Heard, Scripts, opened, recipe, splits

VALUED = {"models": {"policy": "/base", "value": "/judge"}}


def choice(method: str, *answers: str, **settings: Any) -> EvaluatedMethod:
    values = {"method": method, "settings": {"early_stop": False} | settings, "answers": answers}
    return EvaluatedMethod.model_validate(values)


GREEDY = EvaluatedMethod.model_validate({"method": "greedy"})
VOTES = choice("self-consistency", "majority", "value-vote")
BEST = choice("best-of-n", "best-last")


def compared(
    root: Path,
    *methods: EvaluatedMethod,
    problems: Splits | None = None,
    budgets: Sequence[int] = (40,),
    values: dict[str, Any] | None = None,
) -> tuple[Evaluated, list[SearchRecord], list[str]]:
    """A comparison, its trees, and what was noted."""
    with opened(root, recipe(**(VALUED if values is None else values)), problems) as run:
        found = compare_methods(run, Comparison(methods, budgets, None))
        assert isinstance(run.progress, Heard)
        return found, list(run.writer.read_trees(found.phase)), run.progress.notes


def alike(records: Sequence[SearchRecord]) -> list[SearchRecord]:
    """The records without what their phase makes different."""
    plain = [
        replace(
            record, header=replace(record.header, id="", phase=""), result=replace(record.result, seconds=0)
        )
        for record in records
    ]
    return sorted(plain, key=repr)


def test_one_more_method_searches_that_method_alone(tmp_path: Path, scripts: Scripts) -> None:
    _, before, _ = compared(tmp_path / "two", GREEDY, VOTES)
    spent = scripts.generated
    found, after, notes = compared(tmp_path / "two", GREEDY, VOTES, BEST)
    new = [record for record in after if record.header.method == "best-of-n"]
    assert scripts.generated - spent == sum(record.result.cost.generated for record in new) > 0
    assert notes == [f"{found.phase}: 6 searches are taken over from {before[0].header.phase}"]
    assert {row["method"] for row in found.rows} == {
        "greedy", "self-consistency", "self-consistency, value vote", "best-of-n, last",
        "oracle (self-consistency)", "oracle (best-of-n)",
    }  # fmt: skip
    assert check(tmp_path / "two") == []
    _, at_once, _ = compared(tmp_path / "at-once", GREEDY, VOTES, BEST)
    assert alike(after) == alike(at_once)


def test_nothing_is_searched_where_all_is_stored(tmp_path: Path, scripts: Scripts) -> None:
    compared(tmp_path, GREEDY, VOTES, BEST)
    spent = scripts.generated
    fewer = splits()
    found, trees, _ = compared(tmp_path, VOTES, problems=replace(fewer, test=fewer.test[:2]))
    assert (scripts.generated, found.trees, len(trees)) == (spent, 2, 2)


def test_another_budget_problem_or_model_is_searched(tmp_path: Path, scripts: Scripts) -> None:
    compared(tmp_path, VOTES)
    _, _, notes = compared(tmp_path, VOTES, budgets=(39,))
    assert notes == []
    changed = [replace(problem, text=problem.text + "!") for problem in splits().test]
    _, _, notes = compared(tmp_path, VOTES, problems=replace(splits(), test=changed))
    assert notes == []
    other = {"models": {"policy": "/base", "value": "/other"}}
    assert compared(tmp_path, BEST)[2] == []
    found, trees, notes = compared(tmp_path, GREEDY, BEST, values=other)
    assert notes == []
    assert {tree.header.value for tree in trees} == {"/other"} and found.trees == 6


def test_a_search_without_values_is_taken_over_whatever_the_value_model(
    tmp_path: Path, scripts: Scripts
) -> None:
    _, (first, *_), _ = compared(tmp_path, GREEDY)
    found, _, notes = compared(
        tmp_path, GREEDY, VOTES, values={"models": {"policy": "/base", "value": "/other"}}
    )
    assert notes == [f"{found.phase}: 3 searches are taken over from {first.header.phase}"]
