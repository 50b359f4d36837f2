"""Stored searches answered anew: equal to what a search would have answered, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from restmcts.evaluation.reading.budgets import answers_at
from restmcts.evaluation.reading.counterfactuals import (
    answer_anew,
    found_anew,
    kind_of,
    readable,
    with_constants,
)
from restmcts.evaluation.reading.outcomes import Reading
from restmcts.grading.finding import MathAnswers
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import BestOfN, SelfConsistency
from restmcts.search.running.driver import verified
from store.answering.rules import RULES
from store.events import SearchRecord, Verified
from store.tree import fold
from tests.search.search_engines import engines, run, task

PROBLEM = Problem("p0", "q", "1")


def same_text(problem: Problem, answers: Sequence[str]) -> list[bool | None]:
    return [answer == problem.answer for answer in answers]


def searched(method: str = "best-of-n", budget: int = 60, **settings: object) -> SearchRecord:
    chosen = (BestOfN if method == "best-of-n" else SelfConsistency).model_validate(
        {"early_stop": False} | settings
    )
    record = run(task(method, chosen, budget=budget, oracle="1"), engines())
    return verified(record, PROBLEM, same_text)


@pytest.mark.parametrize("budget", [5, 13, 31, 60])
def test_a_cut_search_answers_as_one_with_that_budget(budget: int) -> None:
    whole, short = searched(), searched(budget=budget)
    (kind,) = answer_anew([whole], lambda header: Reading("", ["best-last"], [budget]))
    row = kind.rows["best-last", budget]
    assert list(row.shares.values()) == [float(bool(short.result.correct))]
    assert row.usage.generated <= short.result.cost.generated <= budget


def test_every_rule_is_read_where_its_values_are_there() -> None:
    valued = fold(searched("self-consistency", answer_by="value-vote").events)
    plain = fold(searched("self-consistency").events)
    whole = fold(searched(answer_by="best-minimum").events)
    assert {rule for rule in RULES if readable(plain, rule)} == {"first", "best-likelihood", "majority"}
    assert {rule for rule in RULES if not readable(valued, rule)} == {
        "best-minimum",
        "best-product",
        "posterior-vote",
    }
    assert all(readable(whole, rule) for rule in RULES)


def test_kinds_are_told_apart_by_what_makes_a_search() -> None:
    records = [searched(), searched(read_by=["majority"]), searched(budget=50), searched(end_gate=0.5)]
    kinds = [kind_of(with_constants(record, {"policy": 0.5}).header) for record in records]
    assert kinds[0] == kinds[1] == kind_of(records[0].header)
    assert len(set(kinds)) == 3
    found = answer_anew(records, lambda header: Reading("", ["best-last"], [header.budget]))
    assert [kind.trees for kind in found] == [2, 1, 1]


def test_constants_that_are_not_named_stay() -> None:
    record = with_constants(with_constants(searched(), {"policy": 2.0, "value": 1.0}), {"value": 3.0})
    assert record.header.settings["constants"] == {"policy": 2.0, "value": 3.0}


def test_the_same_grader_finds_the_same_again() -> None:
    record = searched()
    again = verified(found_anew(record, PROBLEM, MathAnswers()), PROBLEM, same_text)
    assert again == record


def test_another_grader_finds_and_grades_anew() -> None:
    class Words(MathAnswers):
        """Answers with the first word of the last line."""

        def find_answer(self, text: str, problem: Problem) -> str | None:
            return text.splitlines()[-1].split()[0]

    record = searched(budget=200)
    changed = found_anew(record, PROBLEM, Words())
    assert not any(isinstance(event, Verified) for event in changed.events)
    graded = verified(changed, replace(PROBLEM, answer=changed.result.answer), same_text)
    assert graded.result.answer != record.result.answer and graded.result.correct
    (before,), (after,) = (answers_at(each, [None])["best-last"] for each in (record, graded))
    assert (before.answer, after.answer) == (record.result.answer, graded.result.answer)
    assert after.cost == before.cost
