"""The grader `exact`: spelling and numbers, and no algebra."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restmcts.grading.graders.exact_grader import ExactGrader
from restmcts.grading.graders.math_grader import MathGrader
from restmcts.problems.problem import Problem


@pytest.mark.parametrize(
    ("answer", "oracle", "tolerance", "right"),
    [
        (r"\frac12", "0.5", None, True),
        (r"\text{Evelyn}", "evelyn", None, True),
        ("1+x", "x+1", None, False),
        (r"2\sqrt{2}", r"\sqrt{8}", None, False),
        ("101", "100", 0.05, True),
        ("101", "100", None, False),
        ("", "", None, False),
    ],
)
def test_equal_is_what_is_written_alike(
    answer: str, oracle: str, tolerance: float | None, right: bool
) -> None:
    with ExactGrader() as grader:
        assert grader.grade(Problem("p", "?", oracle, tolerance=tolerance), [answer]) == [right]


@given(st.fractions(max_denominator=50), st.fractions(max_denominator=50), st.none() | st.floats(0, 0.5))
def test_numbers_are_judged_as_by_the_grader_with_algebra(
    left: object, right: object, tolerance: float | None
) -> None:
    problem = Problem("p", "?", str(right), tolerance=tolerance)
    with ExactGrader() as exact, MathGrader() as algebra:
        assert exact.grade(problem, [str(left)]) == algebra.grade(problem, [str(left)])
        assert algebra.stats.asked == 0
