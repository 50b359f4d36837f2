"""Audits: which answers in stored trees two graders see differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from restmcts.evaluation.audit import Audit, audit
from restmcts.grading.graders.exact_grader import ExactGrader
from restmcts.problems.problem import Problem
from store.events import Critiqued, SearchRecord, Verified
from store.runs.overrides import Overrides, digest
from tests.store.build import record

EXACT = ExactGrader()


def search(number: int, answer: str | None, verdict: bool | None, **header: Any) -> SearchRecord:
    """A search with one finished solution, of which the grader of the run says ``verdict``."""
    plain = record(number, problem="p", question="What is 2 + 3?", **header)
    verified = Verified((), (), (3,)) if verdict is None else Verified((3,), (verdict,))
    events = tuple(
        Critiqued(3, True, answer)
        if isinstance(event, Critiqued) and event.node == 3
        else verified
        if isinstance(event, Verified)
        else event
        for event in plain.events
    )
    return replace(plain, events=events, result=replace(plain.result, answer=answer, correct=verdict))


def audited(
    *records: SearchRecord, problems: Sequence[Problem] = (), overrides: Overrides | None = None
) -> Audit:
    known = {(problem.id, problem.text): problem for problem in problems}
    return audit(records, known, EXACT, EXACT.grade, overrides or Overrides())


def test_disagreements_are_grouped_by_answer_with_a_tree_to_look_at() -> None:
    found = audited(
        search(0, "5", True), search(1, "10/2", False), search(2, "10/2", False), search(3, "6", True)
    )
    assert [(doubt.kind, doubt.answer, doubt.verdict, doubt.other) for doubt in found.doubts] == [
        ("disagreement", "10/2", False, True),
        ("disagreement", "6", True, False),
    ]
    first = found.doubts[0]
    assert (first.solutions, first.trees, first.tree, first.node) == (2, 2, "1.search/1", 3)
    assert (found.solutions, found.answers, found.overridden) == (4, 3, 0)


def test_what_has_no_answer_or_no_verdict_is_listed_behind() -> None:
    found = audited(search(0, None, False), search(1, "5", None), search(2, "6", True))
    assert [doubt.kind for doubt in found.doubts] == ["disagreement", "no verdict", "no answer"]
    without = found.doubts[2]
    assert (without.answer, without.found) == (None, "5"), "the other grader finds one"
    assert without.end is not None and without.end.endswith("the answer is 5")
    assert found.doubts[1].other is True


def test_the_tolerance_of_a_problem_counts_where_the_problem_is_known() -> None:
    records = [search(0, "5.1", True)]
    problem = Problem("p", "What is 2 + 3?", "5", tolerance=0.05)
    assert [doubt.kind for doubt in audited(*records).doubts] == ["disagreement"]
    assert audited(*records, problems=[problem]).doubts == ()
    elsewhere = replace(problem, text="another question")
    assert len(audited(*records, problems=[elsewhere]).doubts) == 1


def test_what_a_person_has_decided_is_no_doubt_any_more() -> None:
    records = [search(0, "6", True), search(1, "7", True)]
    decided = Overrides().adding("p", digest("What is 2 + 3?"), "6", True, "because")
    found = audited(*records, overrides=decided)
    assert [doubt.answer for doubt in found.doubts] == ["7"]
    assert (found.answers, found.overridden) == (2, 1)


def test_problems_without_an_oracle_answer_are_left_out() -> None:
    assert audited(search(0, "6", None, oracle=None)) == Audit((), 0, 0, 0)
