"""One budget for many problems: never a token more, and where searches stop, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.evaluation.shared_budget import (
    Course,
    Gate,
    Moment,
    accuracy_of,
    choose_gate,
    course,
    next_budgets,
    shared_in_halves,
    spend,
)
from restmcts.problems.problem import Problem
from restmcts.search.methods.sampling import SelfConsistency
from restmcts.search.running.driver import verified
from store.answering.constants import DEFAULTS
from store.answering.rules import sure_answer
from store.tree import fold
from tests.search.search_engines import engines, run, task


def searched(seed: int, budget: int = 90) -> Course:
    settings = SelfConsistency(answer_by="value-vote", early_stop=False)
    record = run(task("self-consistency", settings, budget=budget, seed=seed, oracle="1"), engines())
    graded = verified(record, Problem("p", "q", "1"), lambda problem, answers: [a == "1" for a in answers])
    return course(graded, "value-vote")


def test_a_course_ends_with_the_answer_of_the_whole_search() -> None:
    record = run(task("self-consistency", SelfConsistency(), budget=40), engines())
    found = course(record, "majority")
    assert found.total == record.result.cost.generated == 40
    assert [moment.tokens for moment in found.moments] == sorted(moment.tokens for moment in found.moments)
    assert found.moments[-1].confidence == sure_answer(fold(record.events), "majority", DEFAULTS)[1]


MADE = Course((Moment(0, 0.0, False), Moment(10, 0.6, False), Moment(25, 0.8, True)), 40)


def test_a_search_stops_at_the_threshold_or_at_the_cap() -> None:
    assert MADE.stop(0.5, 100) == Moment(10, 0.6, False)
    assert MADE.stop(0.7, 100) == Moment(25, 0.8, True)
    assert MADE.stop(0.7, 24) == Moment(24, 0.6, False)
    assert MADE.stop(0.9, 30) == Moment(30, 0.8, True)
    assert MADE.stop(0.9, 100) == Moment(40, 0.8, True)
    assert MADE.stop(0.1, 5) == Moment(5, 0.0, False)


courses = st.builds(
    lambda steps, tail: Course(
        tuple(
            Moment(sum(width for width, *_ in steps[:place]), sure, correct)
            for place, (_, sure, correct) in enumerate([(0, 0.0, False), *steps])
        ),
        sum(width for width, *_ in steps) + tail,
    ),
    st.lists(
        st.tuples(st.integers(1, 30), st.floats(0, 1), st.sampled_from([True, False, None])), max_size=8
    ),
    st.integers(0, 20),
)


@given(
    st.lists(courses, min_size=1, max_size=12),
    st.integers(1, 60),
    st.floats(0.01, 1),
    st.floats(1, 6),
)
def test_together_never_more_than_the_total(
    searches: list[Course], mean: int, threshold: float, factor: float
) -> None:
    total = mean * len(searches)
    ends = spend(searches, Gate(threshold, round(mean * factor)), total)
    assert len(ends) == len(searches)
    assert sum(end.tokens for end in ends) <= total


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 8), st.floats(0.5, 3))
def test_every_problem_has_something_of_the_budget(
    mean: int, waiting: int, factor: float, ample: float
) -> None:
    cap, left = max(1, round(mean * factor)), max(waiting, int(mean * waiting * ample))
    budgets = next_budgets(left, waiting, cap, mean)
    assert 1 <= len(budgets) <= waiting and min(budgets) >= 1
    rest = waiting - len(budgets)
    assert sum(budgets) + rest <= left
    assert max(budgets) <= max(cap, -(-left // waiting))


def test_sure_problems_pay_for_unsure_ones() -> None:
    easy = Course((Moment(0, 0.0, False), Moment(10, 0.9, True)), 60)
    hard = Course((Moment(0, 0.0, False), Moment(10, 0.4, False), Moment(30, 0.9, True)), 60)
    mixed = [easy, easy, hard, easy, hard, easy] * 5
    gate = choose_gate(mixed, 17)
    assert 0.4 < gate.threshold <= 0.9 and gate.cap > 30
    assert accuracy_of(spend(mixed, gate, 17 * len(mixed))) == 1
    assert accuracy_of([each.stop(2, 17) for each in mixed]) == pytest.approx(2 / 3)
    row = shared_in_halves("m", 20, {(str(number), ""): each for number, each in enumerate(mixed)})
    assert (row["accuracy"], row["problems"]) == (1, 30) and row["policy_tokens"] <= 20
    assert row["against_fixed.difference"] == pytest.approx(1 / 3) and row["against_fixed.low"] > 0


def test_the_choice_is_the_same_again_and_never_worse_than_the_fixed_budget_where_it_was_made() -> None:
    searches = [searched(seed) for seed in range(40)]
    for mean in (12, 20, 30):
        gate = choose_gate(searches, mean, most=90)
        assert gate == choose_gate(searches, mean, most=90) and mean <= gate.cap <= 90
        fixed = accuracy_of([each.stop(1, mean) for each in searches])
        ends = [spend(searches[n:] + searches[:n], gate, mean * 40) for n in range(0, 40, 8)]
        assert sum(map(accuracy_of, ends)) / len(ends) >= fixed - 0.05
